#include "access_log.hpp"
#include "cli/error.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <stdlib.h>

namespace fs = std::filesystem;
using lastip::AccessLog;
using lastip::LogFilter;
using Missing = lastip::AccessLog::Missing;

namespace {

constexpr const char* firefox = "Mozilla/5.0 (X11; Linux) Firefox/128.0";

std::string line(const std::string& host,
                 const std::string& request = "GET /admin/index.php HTTP/1.1",
                 const std::string& agent = firefox) {
  return fmt::format("{} - - [22/Nov/2026:07:50:59 +0000] \"{}\" 200 512 \"-\" \"{}\"\n", host,
                     request, agent);
}

/// A folder of its own with a log in it.
struct Folder {
  fs::path path;
  fs::path log;

  Folder() {
    std::string name = fs::temp_directory_path() / "access-log-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
    log = path / "access.log";
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path); }

  void append(const std::string& text) const {
    std::ofstream(log, std::ios::app | std::ios::binary) << text;
  }
  void rewrite(const std::string& text) const { std::ofstream(log, std::ios::binary) << text; }
  [[nodiscard]] AccessLog open(LogFilter filter = {}) const { return {log, std::move(filter)}; }
  [[nodiscard]] std::optional<std::string> newest(LogFilter filter = {}) const {
    return open(std::move(filter)).newest(Missing::is_an_error);
  }
};

std::optional<std::string> client(std::string text, const LogFilter& filter = {}) {
  if (text.ends_with('\n')) {
    text.pop_back();
  }
  const auto client = filter.browser(text);
  return client && filter.counts(*client) ? client : std::nullopt;
}

} // namespace

TEST_CASE("a browser's request below /admin/ or for /install.php counts") {
  CHECK(client(line("10.0.1.15")) == "10.0.1.15");
  CHECK(client(line("2001:db8::1")) == "2001:db8:0:0:0:0:0:1");
  CHECK(client(line("10.0.1.15", "POST /install.php HTTP/2.0")) == "10.0.1.15");
  CHECK(client(line("10.0.1.15", "GET /admin/?a=\\\"b\\\" HTTP/1.1")) == "10.0.1.15");
  CHECK(client(line("10.0.1.15", "GET /admin/ HTTP/1.1", "Amazon CloudFront")) == "10.0.1.15");
}

TEST_CASE("a user's name may hold blanks") {
  CHECK(
      client("10.0.1.15 - Ann B [22/Nov/2026:07:50:59 +0000] \"GET /admin/ HTTP/1.1\" 200 - \"-\" "
             "\"Mozilla/5.0\"")
      == "10.0.1.15");
}

TEST_CASE("the common format has no user agent, so every such request counts") {
  CHECK(client("10.0.1.15 - - [22/Nov/2026:07:50:59 +0000] \"GET /admin/ HTTP/1.1\" 302 -")
        == "10.0.1.15");
  CHECK_FALSE(client("10.0.1.15 - - [22/Nov/2026:07:50:59 +0000] \"GET / HTTP/1.1\" 200 5"));
  CHECK_FALSE(client("10.0.1.15 - - [22/Nov/2026:07:50:59 +0000] \"GET /admin/ HTTP/1.1\" 200 5 "
                     "\"-\" \"ELB-HealthChecker/2.0"));
}

TEST_CASE("other requests do not count") {
  for (const char* request :
       {"GET / HTTP/1.1", "GET /administrator/ HTTP/1.1", "HEAD /admin/ HTTP/1.1", "GET /admin/",
        "GET /admin/cron.php HTTP/1.1", "GET /x?/admin/ HTTP/1.1", "GET /install.php.bak HTTP/1.1",
        "-", "", "\\x16\\x03\\x01"}) {
    CAPTURE(request);
    CHECK_FALSE(client(line("10.0.1.15", request)));
  }
}

TEST_CASE("health checks, monitors and cron jobs do not count") {
  for (const char* agent : {"ELB-HealthChecker/2.0", "curl/7.88.1", "-", "", "Wget/1.21"}) {
    CAPTURE(agent);
    CHECK_FALSE(client(line("10.0.1.15", "GET /admin/index.php HTTP/1.1", agent)));
  }
}

TEST_CASE("broken lines do not count") {
  for (const char* text :
       {"", " ", "\"", "10.0.1.15", "10.0.1.15 - - [", "10.0.1.15 - - [t] \"GET /admin/ HTTP/1.1",
        "10.0.1.15 - - [t] \"GET /admin/ HTTP/1.1\"",
        "10.0.1.15 - - [t] \"GET /admin/ HTTP/1.1\" x -",
        "10.0.1.15 - - [t] \"GET /admin/ HTTP/1.1\" 200 - \"-\"",
        "] \"GET /admin/ HTTP/1.1\" 200 -",
        "host.example.org - - [t] \"GET /admin/ HTTP/1.1\" 200 -",
        "10.0.1.15:4711 - - [t] \"GET /admin/ HTTP/1.1\" 200 -"}) {
    CAPTURE(text);
    CHECK_FALSE(client(text));
  }
  CHECK_FALSE(client(line("10.0.1.15", "GET /admin/" + std::string(70'000, 'a') + " HTTP/1.1")));
}

TEST_CASE("the filter's addresses and the site's path limit what counts") {
  const LogFilter filter{.site_path = "/moodle", .addresses = {"10.0.1.15", "10.0.2.77"}};
  CHECK(client(line("10.0.2.77", "GET /moodle/admin/ HTTP/1.1"), filter) == "10.0.2.77");
  CHECK_FALSE(client(line("10.0.3.1", "GET /moodle/admin/ HTTP/1.1"), filter));
  CHECK_FALSE(client(line("10.0.2.77", "GET /admin/ HTTP/1.1"), filter));
}

TEST_CASE("the newest is found from the end, wherever the blocks fall") {
  const Folder folder;
  folder.append(line("10.0.0.1") + line("10.0.0.2"));
  std::string noise;
  for (int i = 0; i < 20'000; ++i) {
    noise += line("10.0.0.9", "GET / HTTP/1.1");
  }
  for (int i = 0; i < 300; ++i) {
    CAPTURE(i);
    folder.rewrite(line("10.0.0.1") + line("10.0.0.2") + noise.substr(0, 262'144U - 150U)
                   + std::string(static_cast<std::size_t>(i), 'x') + "\n");
    REQUIRE(folder.newest() == "10.0.0.2");
  }
  CHECK(folder.newest(LogFilter{.site_path = "", .addresses = {"10.0.0.1"}}) == "10.0.0.1");
}

TEST_CASE("lines of any length and kind are passed over") {
  const Folder folder;
  folder.rewrite(line("10.0.0.1") + std::string(3'000'000, 'a') + "\n" + std::string(400'000, '\0')
                 + "\n\n\r\n");
  CHECK(folder.newest() == "10.0.0.1");
  folder.rewrite(std::string(1'000'000, '\n') + line("10.0.0.2") + std::string(3'000'000, '"'));
  CHECK(folder.newest() == "10.0.0.2");
  // A long line whose end alone would count.
  folder.rewrite(line("10.0.0.1") + std::string(600'000, 'a') + line("10.0.0.3"));
  CHECK(folder.newest() == "10.0.0.1");
}

TEST_CASE("a last line without its end counts when read once") {
  const Folder folder;
  std::string text = line("10.0.0.1");
  text.pop_back();
  folder.rewrite(text);
  CHECK(folder.newest() == "10.0.0.1");
}

TEST_CASE("a log that is not there, or is none, is an error") {
  const Folder folder;
  CHECK_THROWS_AS((void)folder.newest(), cli::Error);
  CHECK_FALSE(folder.open().newest(Missing::waits));
  CHECK_THROWS_AS((void)AccessLog(folder.path, {}).newest(Missing::waits), cli::Error);
}

TEST_CASE("a client that does not count is remembered until one does") {
  const Folder folder;
  folder.append(line("10.0.0.8") + line("10.0.0.1") + line("10.0.0.7") + line("10.0.0.9"));
  AccessLog log = folder.open(LogFilter{.site_path = "", .addresses = {"10.0.0.1", "10.0.0.2"}});
  CHECK(log.newest(Missing::is_an_error) == "10.0.0.1");
  CHECK(log.stranger() == "10.0.0.9");
  CHECK_FALSE(log.poll());
  CHECK_FALSE(log.stranger());
  folder.append(line("10.0.0.8"));
  CHECK_FALSE(log.poll());
  CHECK(log.stranger() == "10.0.0.8");
  folder.append(line("10.0.0.8") + line("10.0.0.2"));
  CHECK(log.poll() == "10.0.0.2");
  CHECK_FALSE(log.stranger());
}

TEST_CASE("a growing log is followed") {
  const Folder folder;
  AccessLog log = folder.open();
  CHECK_FALSE(log.newest(Missing::waits));
  CHECK_FALSE(log.poll());

  folder.append(line("10.0.0.1") + line("10.0.0.2"));
  CHECK(log.poll() == "10.0.0.2");
  CHECK_FALSE(log.poll());

  const std::string halves = line("10.0.0.3");
  folder.append(halves.substr(0, 40));
  CHECK_FALSE(log.poll());
  folder.append(halves.substr(40));
  CHECK(log.poll() == "10.0.0.3");
}

TEST_CASE("following begins with the line that was half written") {
  const Folder folder;
  const std::string halves = line("10.0.0.3");
  folder.append(line("10.0.0.1") + halves.substr(0, 40));
  AccessLog log = folder.open();
  CHECK(log.newest(Missing::is_an_error) == "10.0.0.1");
  folder.append(halves.substr(40));
  CHECK(log.poll() == "10.0.0.3");
}

TEST_CASE("a renamed log is read to its end, then the new one") {
  const Folder folder;
  folder.append(line("10.0.0.1"));
  AccessLog log = folder.open();
  log.newest(Missing::is_an_error);

  std::ofstream writer(folder.log, std::ios::app);
  fs::rename(folder.log, folder.path / "access.log.1");
  CHECK_FALSE(log.poll());
  folder.append(""); // created, and still empty: the server goes on in the old one
  writer << line("10.0.0.2") << std::flush;
  CHECK(log.poll() == "10.0.0.2");
  writer << line("10.0.0.3") << std::flush;
  folder.append(line("10.0.0.9", "GET / HTTP/1.1"));
  CHECK(log.poll() == "10.0.0.3");
  folder.append(line("10.0.0.4"));
  CHECK(log.poll() == "10.0.0.4");
}

TEST_CASE("a log that was cut is read from its beginning") {
  const Folder folder;
  folder.append(line("10.0.0.1") + line("10.0.0.1"));
  AccessLog log = folder.open();
  log.newest(Missing::is_an_error);
  folder.rewrite(line("10.0.0.2"));
  CHECK(log.poll() == "10.0.0.2");
}
