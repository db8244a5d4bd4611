<?php
// Turns log lines on standard input into what `aws logs put-log-events` takes: at most 10,000 events
// and 1 MiB, in the order of their times, none of them empty. A line without a time of its own has
// that of the line before it.
$events = [];
$bytes = 0;
$time = time();
while (($line = fgets(STDIN)) !== false) {
    $line = substr(rtrim($line), 0, 8000);
    if (preg_match('/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ(?= )/', $line, $found)) {
        $time = strtotime($found[0]);
    }
    if ($line === '') {
        continue;
    }
    $events[] = ['timestamp' => $time * 1000, 'message' => $line];
    $bytes += strlen($line) + 26;
    while ($bytes > 900_000 || count($events) > 9_000) { // the end says more than the beginning
        $bytes -= strlen(array_shift($events)['message']) + 26;
    }
}
usort($events, fn($a, $b) => $a['timestamp'] <=> $b['timestamp']);
echo json_encode($events, JSON_INVALID_UTF8_SUBSTITUTE);
