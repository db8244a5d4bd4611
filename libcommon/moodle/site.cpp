#include "moodle/site.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"
#include "io/file.hpp"

#include <algorithm>
#include <sys/stat.h>
#include <unistd.h>

namespace moodle {

using cli::Error;
using cli::ExitCode;
using cli::shown;

namespace {

constexpr const char* setup = "lib/setup.php";
constexpr const char* version_file = "version.php";

bool is_directory(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

std::string parent(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

/// One line of a PHP message; what follows the first one is a stack trace or a dump.
std::string first_line(const std::string& message) {
  return shown(message.substr(0, message.find('\n')));
}

/// config.php stands in the root of the code, up to Moodle 5.0; from 5.1 the code is in public/
/// beside it. A config.php that is kept elsewhere still requires setup.php by its place in the
/// code.
std::string find_dirroot(const std::string& config_path, const Evaluation& evaluation) {
  std::vector<std::string> roots{parent(config_path)};
  if (evaluation.setup_path.starts_with('/')) {
    roots.push_back(parent(parent(evaluation.setup_path)));
  }
  for (const std::string& root : roots) {
    for (const std::string& candidate : {root, root + "/public"}) {
      if (exists(candidate + "/" + version_file)) {
        return candidate;
      }
    }
  }
  return {};
}

Version read_version(php::Runtime& php, const std::string& dirroot) {
  const io::Snapshot file = io::read_snapshot(dirroot + "/" + version_file, max_config_bytes);
  const php::Run run = php.run({.path = file.path,
                                .content = file.content,
                                .stop_at = {},
                                .stop_marker = {},
                                .constants = {"MOODLE_INTERNAL", "MATURITY_ALPHA", "MATURITY_BETA",
                                              "MATURITY_RC", "MATURITY_STABLE"},
                                .variables = {"release"}});
  const php::Value* const release = run.variables.find("release");
  const auto version = release == nullptr || release->string() == nullptr
                           ? std::nullopt
                           : parse_version(*release->string());
  if (!version) {
    throw Error(ExitCode::data, fmt::format("{} holds no $release of Moodle", shown(file.path)));
  }
  return *version;
}

} // namespace

Evaluation evaluate_config(php::Runtime& php, const std::string& path, const std::string& content) {
  php::Run run = php.run({.path = path,
                          .content = content,
                          .stop_at = setup,
                          .stop_marker = version_file,
                          .constants = {},
                          .variables = {"CFG"}});
  switch (run.end) {
  case php::Run::End::failed:
    throw Error(ExitCode::config,
                fmt::format("{}: line {}: {}", shown(run.file), run.line, first_line(run.message)));
  case php::Run::End::exited:
    throw Error(ExitCode::config,
                fmt::format("{} calls exit before it requires {}", shown(path), setup));
  case php::Run::End::finished:
    throw Error(ExitCode::config, fmt::format("{} never requires {}", shown(path), setup),
                "is it the config.php of a Moodle site?");
  case php::Run::End::stopped:
    break;
  }
  php::Value* const cfg = run.variables.find("CFG");
  if (cfg == nullptr || cfg->array() == nullptr || cfg->array()->class_name.empty()) {
    throw Error(ExitCode::config,
                fmt::format("{} leaves no $CFG object when it requires {}", shown(path), setup));
  }
  return {std::move(*cfg->array()), run.message, run.file, run.line};
}

std::string Site::text(std::string_view name) const {
  const php::Value* const value = evaluation.cfg.find(name);
  if (value == nullptr) {
    return {};
  }
  const auto text = value->scalar_text();
  if (!text) {
    throw Error(ExitCode::config,
                fmt::format("{}: $CFG->{} is neither text nor number", shown(config_path), name));
  }
  return *text;
}

std::string Site::dataroot() const {
  std::string path = text("dataroot");
  if (!path.starts_with('/')) {
    throw Error(ExitCode::config,
                path.empty() ? fmt::format("{}: $CFG->dataroot is not set", shown(config_path))
                             : fmt::format("{}: $CFG->dataroot '{}' is not an absolute path",
                                           shown(config_path), shown(path)),
                "does it come from the web server's environment? Then set it for this command too");
  }
  if (!is_directory(path)) {
    throw Error(
        ExitCode::no_input,
        fmt::format("{}: $CFG->dataroot '{}' is not a folder", shown(config_path), shown(path)),
        "is the shared file system mounted on this host?");
  }
  return path;
}

std::string Site::data_folder(std::string_view setting) const {
  if (std::string path = text(setting); !path.empty()) {
    return path;
  }
  const auto* const known =
      std::find_if(data_folders.begin(), data_folders.end(),
                   [&](const auto& folder) { return folder.first == setting; });
  return text("dataroot").append(known->second);
}

std::string Site::cachedir() const {
  if (text("cachedir").empty()) {
    (void)dataroot();
  }
  return data_folder("cachedir");
}

std::string Site::cache_config_path() const {
  const std::string alternative = text("altcacheconfigpath");
  if (alternative.empty()) {
    return dataroot() + "/muc/config.php";
  }
  if (is_directory(alternative)) {
    return alternative + "/cacheconfig.php";
  }
  const std::size_t slash = alternative.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : alternative.substr(0, slash + 1);
  return is_directory(folder) ? alternative : dataroot() + "/muc/config.php";
}

unsigned Site::directory_permissions() const {
  const php::Value* const value = evaluation.cfg.find("directorypermissions");
  const auto mode = value == nullptr ? std::nullopt : value->integer();
  return mode ? static_cast<unsigned>(*mode) & 07777U : 02777U;
}

database::Settings Site::database(const std::string& unsupported_hint) const {
  const std::string type = text("dbtype");
  if (type != "pgsql") {
    throw Error(ExitCode::config,
                fmt::format("{}: the site's dbtype is '{}'; only pgsql can be asked",
                            shown(config_path), shown(type)),
                unsupported_hint);
  }
  database::Settings settings;
  settings.name = text("dbname");
  settings.user = text("dbuser");
  settings.password = text("dbpass");
  settings.prefix = text("prefix");
  const php::Value* const options = evaluation.cfg.find("dboptions");
  const auto option = [&](std::string_view name) -> std::string {
    return options == nullptr || options->array() == nullptr ? "" : options->array()->text(name);
  };
  settings.schema = option("dbschema");
  settings.sslmode = option("ssl");
  database::set_address(settings, text("dbhost"), option("dbsocket"), option("dbport"));
  return settings;
}

std::optional<bool> Site::has_file(const std::string& relative_path) const {
  return dirroot.empty() ? std::nullopt : std::optional(exists(dirroot + "/" + relative_path));
}

std::optional<Version> Site::version() const {
  return dirroot.empty() ? given_version : std::optional(read_version(*php, dirroot));
}

std::string Site::name() const {
  const auto known = version();
  return known ? "Moodle " + known->text() : std::string("this Moodle");
}

void SiteOptions::declare(cli::Options& options) {
  options.group("Site");
  options.text("config", config, "FILE", "the site's config.php", cli::From::facts);
  options.parsed(
      "moodle-version", "VERSION", "the Moodle release, where its code is not on this host",
      [this](const std::string& text) {
        if (!parse_version(text)) {
          throw Error(
              ExitCode::usage,
              fmt::format("'{}' is not a Moodle release such as 4.5 or 4.1.10", shown(text)));
        }
        version = text;
      },
      cli::From::facts);
  options.seconds("php-timeout", php_timeout,
                  "how long the evaluation of a PHP file may take (default 10)");
}

void SiteOptions::validate() const {
  if (!config) {
    throw Error(ExitCode::usage, "--config is missing", "name the site's config.php");
  }
}

Site load_site(const SiteOptions& options, php::Runtime& php) {
  io::Snapshot file = io::read_snapshot(*options.config, max_config_bytes);
  Site site;
  site.evaluation = evaluate_config(php, file.path, file.content);
  site.dirroot = find_dirroot(file.path, site.evaluation);
  if (options.version) {
    site.given_version = parse_version(*options.version);
  }
  site.php = &php;
  site.config_path = std::move(file.path);
  site.config_content = std::move(file.content);
  return site;
}

} // namespace moodle
