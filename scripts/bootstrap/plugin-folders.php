<?php
// plugin-folders.php ROOT FOLDER: exits with 0 when the Moodle in ROOT keeps plugins of some kind in
// FOLDER, as lib/components.json says, or db/subplugins.json of a plugin above it.
[, $root, $folder] = $argv;

$kinds = function (string $file): array {
    $content = is_file($file) ? json_decode(file_get_contents($file), true) : null;
    return array_values(array_filter($content['plugintypes'] ?? [], 'is_string'));
};

$known = $kinds("$root/lib/components.json");
for ($above = $folder; str_contains($above, '/');) {
    $above = dirname($above);
    $file = "$root/$above/db/subplugins.json";
    $known = array_merge($known, $kinds($file));
    // Since Moodle 4.4 a plugin may name them as seen from its own folder.
    $content = is_file($file) ? json_decode(file_get_contents($file), true) : null;
    foreach ($content['subplugintypes'] ?? [] as $path) {
        $known[] = "$above/$path";
    }
}
exit(is_dir("$root/$folder") && in_array($folder, $known, true) ? 0 : 1);
