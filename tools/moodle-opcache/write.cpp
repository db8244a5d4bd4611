#include "ini_text.hpp"
#include "io/edit.hpp"
#include "verbs.hpp"

#include <cerrno>
#include <fcntl.h>

using cli::Error;
using cli::ExitCode;
using cli::shown;

namespace {

constexpr mode_t everybody_reads = 0644;
constexpr std::size_t max_bytes = 1U << 20U;

/// A lock on PHP's folder; its name does not end in .ini, so PHP does not read it.
class FolderOfPhp : public io::Lock {
public:
  FolderOfPhp(const std::string& path, std::chrono::milliseconds timeout)
      : fd_(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (!fd_) {
      throw cli::system_error(errno, "cannot read " + shown(path));
    }
    lock_.emplace(io::FolderLock::Request{.folder = fd_.get(),
                                          .path = path,
                                          .name = ".moodle-opcache.lock",
                                          .command = tool_name,
                                          .timeout = timeout});
  }

private:
  cli::UniqueFd fd_;
  std::optional<io::FolderLock> lock_;
};

/// Throws unless the file will have the last word.
void refuse_in_vain(const std::vector<moodle::OpcacheSetting>& plan,
                    const moodle::PhpService& service, php::Runtime& runtime, const cli::Log& log) {
  const moodle::PhpSettings settings = moodle::read_settings(runtime, {service}).front();
  if (!settings.opcache) {
    throw Error(ExitCode::config, fmt::format("{} does not load OPcache", service.name()),
                service.version.empty()
                    ? std::string("install php-opcache")
                    : fmt::format("install php{0}-opcache, or switch it on with 'phpenmod -v {0} "
                                  "-s {1} opcache'",
                                  service.version, service.sapi));
  }
  for (const auto& [name, value] : settings.ineffective) {
    log.warning(
        fmt::format("{} sets {}, which PHP takes from .ini files only", shown(value.where), name));
  }
  const std::vector<std::string> winners = overruled(plan, settings, service);
  if (!winners.empty()) {
    throw Error(ExitCode::config,
                fmt::format("the settings would have no effect: {}", winners.front()),
                winners.size() == 1
                    ? std::string("remove that line")
                    : fmt::format("remove that line, and {} more: moodle-opcache check names them",
                                  winners.size() - 1));
  }
}

} // namespace

void Write::declare(cli::Options& options) {
  plan_.declare(options);
  php_.declare(options);
  options.group("Lock");
  options.seconds("lock-timeout", lock_timeout_,
                  "how long to wait for another run on the same folder (default 10)");
  mode_.declare(options);
}

void Write::validate(const cli::Options& options) {
  plan_.validate(options);
  php_.validate();
  mode_.validate();
}

ExitCode Write::run(cli::Context& context) {
  php::Runtime runtime(plan_.site.php_timeout);
  runtime.start();
  const moodle::PhpService service = php_.choose();
  const Code code = examine(plan_, php_, runtime, context);
  const std::vector<moodle::OpcacheSetting> plan = moodle::opcache_plan(code.need, plan_.policy());
  refuse_in_vain(plan, service, runtime, context.log());
  const std::string text = ini_text(plan);
  io::Edit edit;
  edit.path = moodle::opcache_ini(service);
  edit.max_bytes = max_bytes;
  edit.new_mode = everybody_reads;
  edit.plan = [&](const std::string&) { return text; };
  edit.verify = [&](const std::string& after) {
    std::vector<std::pair<std::string, std::string>> wanted;
    for (const moodle::OpcacheSetting& setting : plan) {
      wanted.emplace_back(setting.name, setting.value);
    }
    if (parse_ini(runtime, after) != wanted) {
      throw Error(ExitCode::bug,
                  fmt::format("the new {} would not mean what was planned", shown(edit.path)));
    }
  };
  edit.lock = [&](const std::string&) {
    return std::make_unique<FolderOfPhp>(service.ini_folder, lock_timeout_);
  };
  const io::Outcome outcome = io::apply(edit, mode_, context);
  if (outcome == io::Outcome::changed && !service.unit.empty()) {
    context.log().info(fmt::format("{} takes the settings after 'systemctl reload {}'",
                                   service.name(), service.unit));
  }
  context.result("opcache-ini", edit.path);
  context.result("opcache-result", io::text(outcome));
  return io::exit_code(outcome, mode_);
}
