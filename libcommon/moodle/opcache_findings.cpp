#include "moodle/opcache_findings.hpp"

#include "cli/size.hpp"
#include "cli/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace moodle {

namespace {

constexpr const char* moodle_docs = "https://docs.moodle.org/en/OPcache";
constexpr const char* php_manual = "https://www.php.net/manual/en/opcache.configuration.php";

/// A changed file is to be seen before an administrator takes the change for lost.
constexpr std::int64_t longest_revalidation = 600;

std::string remove_line(const OpcacheFinding& finding) {
  std::string name;
  for (const char c : finding.setting) {
    name += c == '.' ? std::string("\\.") : std::string(1, c);
  }
  const bool pool = finding.where.ends_with(".conf");
  return fmt::format("sed -i --follow-symlinks -E '/^[[:space:]]*{}[[:space:]]*=/d' {}",
                     pool ? fmt::format(R"(php_(admin_)?(value|flag)\[{}\])", name) : name,
                     cli::shell_word(finding.where));
}

class Findings {
public:
  Findings(const PhpSettings& settings, const OpcacheNeed& need, const OpcachePolicy& policy,
           const OpcacheSurroundings& surroundings)
      : settings_(settings), need_(need), policy_(policy), surroundings_(surroundings),
        plan_(opcache_plan(need, policy)) {}

  std::vector<OpcacheFinding> all() {
    if (!settings_.opcache) {
      add("zend_extension", "no opcache", "opcache",
          "OPcache is not loaded: every request compiles all the code that it uses", moodle_docs);
      found_.back().planned = false;
      return std::move(found_);
    }
    if (!settings_.on("opcache.enable")) {
      add("opcache.enable", "every request compiles all the code that it uses", moodle_docs);
      return std::move(found_);
    }
    sizes();
    ineffective_sizes();
    revalidation();
    required_by_moodle();
    file_cache();
    jit();
    special();
    return std::move(found_);
  }

private:
  void add(const std::string& setting, std::string found, std::string wanted, std::string why,
           const char* source) {
    found_.push_back({setting, std::move(found), std::move(wanted), std::move(why), source,
                      settings_.where(setting)});
  }

  /// With what is set, and what the plan has in its place.
  void add(const std::string& setting, std::string why, const char* source) {
    add(setting, shown_value(setting), planned(setting), std::move(why), source);
  }

  [[nodiscard]] std::string shown_value(const std::string& setting) const {
    const std::string text = settings_.text(setting);
    return settings_.where(setting).empty() ? text + " (PHP's default)" : text;
  }

  [[nodiscard]] std::string planned(const std::string& setting) const {
    const auto one = std::find_if(plan_.begin(), plan_.end(), [&](const OpcacheSetting& planned) {
      return planned.name == setting;
    });
    return one == plan_.end() ? "" : one->value;
  }

  void sizes() {
    const char* const known = need_.measured ? "measured" : "estimated";
    const std::int64_t set_files =
        std::max<std::int64_t>(0, settings_.number("opcache.max_accelerated_files"));
    const std::uint64_t files = static_cast<std::uint64_t>(set_files);
    if (table_size(files) < need_.files) {
      add("opcache.max_accelerated_files",
          fmt::format("there are {} PHP files and room for {}: the last ones are compiled by every "
                      "request that uses them",
                      need_.files, table_size(files)),
          php_manual);
    }
    const auto buffer = static_cast<std::uint64_t>(
        std::clamp<std::int64_t>(settings_.number("opcache.interned_strings_buffer"), 0, 32'767));
    if (usable_strings(buffer) < need_.string_bytes) {
      add("opcache.interned_strings_buffer",
          fmt::format("all code has {} of strings ({}) and there is room for {}: each script and "
                      "each PHP process keeps copies of the rest",
                      cli::size_text(need_.string_bytes), known,
                      cli::size_text(usable_strings(buffer))),
          php_manual);
    }
    // Strings that find no room in the buffer are beside the scripts.
    const std::uint64_t room = usable_strings(buffer);
    const std::uint64_t used = used_memory(need_, buffer, files)
                               + (need_.string_bytes > room ? need_.string_bytes - room : 0);
    const auto memory = static_cast<std::uint64_t>(std::clamp<std::int64_t>(
        settings_.number("opcache.memory_consumption"), 8, std::int64_t{1} << 30U));
    if (memory * cli::mib < used) {
      add("opcache.memory_consumption",
          fmt::format("all code takes {} ({}): once the cache is full, what is not in it is "
                      "compiled by every request that uses it",
                      cli::size_text(used), known),
          php_manual);
    }
    const std::int64_t largest = settings_.number("opcache.max_file_size");
    if (largest > 0 && static_cast<std::uint64_t>(largest) < need_.largest_file) {
      add("opcache.max_file_size", std::to_string(largest), "0",
          fmt::format("files are up to {} bytes large, and those above it are never cached",
                      need_.largest_file),
          php_manual);
      found_.back().planned = false;
    }
  }

  void ineffective_sizes() {
    for (const auto& [setting, value] : settings_.ineffective) {
      found_.push_back(
          {setting, value.text + " in a pool", "set in an .ini file",
           "PHP-FPM takes this once, before it starts its pools: the line has no effect",
           "PHP 8.2 ext/opcache/zend_accelerator_module.c", value.where, false});
    }
  }

  void revalidation() {
    const bool validates = settings_.on("opcache.validate_timestamps");
    const std::int64_t seconds = settings_.number("opcache.revalidate_freq");
    if (!validates && !policy_.immutable) {
      add("opcache.validate_timestamps",
          fmt::format("a changed config.php, cache configuration or plugin is not seen until PHP "
                      "is reloaded on every server, and revalidate_freq ({}) has no effect",
                      seconds),
          moodle_docs);
    } else if (validates && policy_.immutable) {
      add("opcache.validate_timestamps",
          "the code changes with the image only, and PHP still asks for the time of each file",
          php_manual);
    } else if (validates && seconds <= 0) {
      add("opcache.revalidate_freq", "every request asks for the time of each file that it uses",
          moodle_docs);
    } else if (validates
               && seconds > std::max(longest_revalidation,
                                     static_cast<std::int64_t>(policy_.revalidate_seconds))) {
      add("opcache.revalidate_freq",
          fmt::format("a changed config.php or cache configuration is not seen for {} s, by each "
                      "server at another time",
                      seconds),
          moodle_docs);
    }
  }

  void required_by_moodle() {
    if (!settings_.on("opcache.use_cwd")) {
      add("opcache.use_cwd",
          "Moodle requires files by relative names: '../config.php' from two folders is one file "
          "to "
          "PHP",
          moodle_docs);
    }
    if (!settings_.on("opcache.save_comments")) {
      add("opcache.save_comments", "Moodle and its libraries read comments of their own code",
          moodle_docs);
    }
    if (settings_.on("opcache.enable_file_override")) {
      const bool number = settings_.number("opcache.enable_file_override") > 1;
      add("opcache.enable_file_override",
          fmt::format("file_exists() answers from the cache, and Moodle removes and makes files as "
                      "it runs{}",
                      number ? "; it is a switch: was the number meant for revalidate_freq?" : ""),
          moodle_docs);
    }
  }

  void file_cache() {
    const std::string folder = settings_.text("opcache.file_cache");
    if (settings_.on("opcache.file_cache_only")) {
      add("opcache.file_cache_only",
          "there is no cache in memory: each request reads the code that it uses from files, and "
          "without a file cache PHP does not even start",
          php_manual);
    }
    if (folder.empty() || !surroundings_.shared_type) {
      return;
    }
    if (const std::string type = surroundings_.shared_type(folder); !type.empty()) {
      add("opcache.file_cache",
          fmt::format("it is on {}, which other hosts share: slower than compiling, and a host "
                      "with another PHP reads what is not for it",
                      type),
          php_manual);
    }
  }

  void jit() {
    const std::string mode = settings_.text("opcache.jit");
    const bool has_memory = settings_.number("opcache.jit_buffer_size") > 0;
    const bool off = mode == "disable" || mode == "off" || mode == "0" || mode == "Off"
                     || mode == "no" || mode == "false" || mode.empty();
    if (has_memory && !off && settings_.xdebug) {
      add("opcache.jit",
          "Xdebug and the JIT exclude each other: PHP switches the JIT off with a warning at each "
          "start, and its memory is lost",
          "https://xdebug.org/docs/compat");
    }
  }

  void special() {
    if (!settings_.text("opcache.preload").empty()) {
      add("opcache.preload", settings_.text("opcache.preload"), "",
          "preloaded code is never looked at again, and Moodle's classes expect its own loader",
          "https://www.php.net/manual/en/opcache.preloading.php");
      found_.back().planned = false;
    }
    const std::string& root = surroundings_.dirroot;
    const std::string restricted = settings_.text("opcache.restrict_api");
    if (!restricted.empty() && !root.empty() && !(root + "/").starts_with(restricted)) {
      add("opcache.restrict_api", restricted, "",
          "Moodle must not call opcache_reset() and opcache_invalidate() then, and goes on with "
          "old "
          "code after an upgrade or a plugin's installation",
          "Moodle 4.5 admin/index.php and admin/plugins.php");
      found_.back().planned = false;
    }
  }

  const PhpSettings& settings_;
  const OpcacheNeed& need_;
  const OpcachePolicy& policy_;
  const OpcacheSurroundings& surroundings_;
  std::vector<OpcacheSetting> plan_;
  std::vector<OpcacheFinding> found_;
};

} // namespace

std::vector<OpcacheFinding> opcache_findings(const PhpSettings& settings, const OpcacheNeed& need,
                                             const OpcachePolicy& policy,
                                             const OpcacheSurroundings& surroundings) {
  return Findings(settings, need, policy, surroundings).all();
}

bool wins_over_ini(const std::string& where, const PhpService& service) {
  if (where.ends_with(".conf")) {
    return true;
  }
  const std::string folder = service.ini_folder + "/";
  return where.starts_with(folder) && where.substr(folder.size()) > opcache_ini_name;
}

std::string opcache_ini(const PhpService& service) {
  return service.ini_folder + "/" + opcache_ini_name;
}

std::string write_options(const OpcachePolicy& policy) {
  const OpcachePolicy preset;
  std::string text = policy.immutable ? " --immutable" : "";
  if (!policy.immutable && policy.revalidate_seconds != preset.revalidate_seconds) {
    text += fmt::format(" --revalidate-freq {}", policy.revalidate_seconds);
  }
  if (policy.headroom_percent != preset.headroom_percent) {
    text += fmt::format(" --headroom {}", policy.headroom_percent);
  }
  return text;
}

std::optional<WrittenOpcache> read_written(const std::string& ini) {
  const auto number_before = [&](std::string_view text) -> std::optional<std::uint64_t> {
    const std::size_t end = ini.find(text);
    if (end == std::string::npos) {
      return std::nullopt;
    }
    std::size_t begin = end;
    while (begin > 0 && ini[begin - 1] >= '0' && ini[begin - 1] <= '9') {
      --begin;
    }
    return cli::parse_unsigned(std::string_view(ini).substr(begin, end - begin));
  };
  // The reasons that opcache_plan() gives hold what the settings alone do not.
  const auto headroom = number_before(" % headroom");
  if (!headroom) {
    return std::nullopt;
  }
  WrittenOpcache written;
  written.policy.headroom_percent = *headroom;
  written.measured = ini.find("(measured)") != std::string::npos;
  written.policy.immutable = ini.find("\nopcache.validate_timestamps = 0\n") != std::string::npos;
  if (const auto seconds = number_before(" s; Moodle advises")) {
    written.policy.revalidate_seconds = *seconds;
  }
  return written;
}

std::string mend_command(const OpcacheFinding& finding, const PhpService& service,
                         const std::string& config, const std::string& options,
                         const std::string& etc) {
  const std::string version = service.version.empty() ? "" : " --php " + service.version;
  const std::string elsewhere = etc == "/etc" ? "" : " --etc " + cli::shell_word(etc);
  std::vector<std::string> commands;
  if (finding.setting == "zend_extension") {
    commands.push_back(
        service.version.empty()
            ? "dnf install -y php-opcache"
            : fmt::format("apt-get install -y php{0}-opcache && phpenmod -v {0} -s {1} "
                          "opcache",
                          service.version, service.sapi));
  } else {
    if (!finding.where.empty() && (!finding.planned || wins_over_ini(finding.where, service))) {
      commands.push_back(remove_line(finding));
    }
    if (finding.planned) {
      commands.push_back(fmt::format("moodle-opcache write --config {} --sapi {}{}{}{}",
                                     cli::shell_word(config), service.sapi, version, elsewhere,
                                     options));
    }
  }
  if (!service.unit.empty()) {
    commands.push_back("systemctl reload " + service.unit);
  }
  return cli::join(commands, " && ");
}

} // namespace moodle
