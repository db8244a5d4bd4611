#include "subject.hpp"

#include "cli/text.hpp"
#include "database/connection.hpp"
#include "io/file.hpp"
#include "moodle/session_config.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <grp.h>
#include <limits>
#include <pwd.h>
#include <sys/statvfs.h>

using cli::Error;
using cli::ExitCode;
using cli::shell_word;
using cli::shown;
using net::Endpoint;

namespace {

constexpr const char* tool_name = "moodle-check";

/// A server that is gone may still be known to the kernel's cache; statvfs() always asks it.
struct stat status_of(const std::string& path) {
  struct stat status {};
  struct statvfs space {};
  if (::statvfs(path.c_str(), &space) != 0 || ::stat(path.c_str(), &status) != 0) {
    throw cli::system_error(errno, "cannot look at " + shown(path));
  }
  return status;
}

/// Of a path that need not be there.
std::string resolved(const std::string& path) {
  std::error_code error;
  const auto real = std::filesystem::weakly_canonical(path, error);
  if (error) {
    throw cli::system_error(error.value(), "cannot look at " + shown(path));
  }
  return real.string();
}

std::vector<Folder> find_folders(const moodle::Site& site, const net::Deadline& deadline) {
  std::vector<Folder> folders;
  for (const auto& [setting, below] : moodle::data_folders) {
    const std::string path = site.data_folder(setting);
    folders.push_back({std::string(setting), path,
                       std::make_shared<Pending<struct stat>>(shown(path), deadline,
                                                              [path] { return status_of(path); }),
                       std::make_shared<Pending<std::string>>(shown(path), deadline,
                                                              [path] { return resolved(path); })});
  }
  return folders;
}

std::optional<WebUser> find_user(const struct passwd* entry) {
  if (entry == nullptr) {
    return std::nullopt;
  }
  WebUser user{entry->pw_name, entry->pw_uid, {}};
  int count = 256;
  user.groups.resize(static_cast<std::size_t>(count));
  ::getgrouplist(entry->pw_name, entry->pw_gid, user.groups.data(), &count);
  user.groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  return user;
}

/// The web server writes to the data folder, so that is whose folder it is.
void choose_web_user(Subject& subject, const net::Deadline& deadline) {
  if (subject.given.web_user) {
    subject.web_user = find_user(::getpwnam(subject.given.web_user->c_str()));
    if (!subject.web_user) {
      throw Error(ExitCode::usage, fmt::format("--web-user: this host has no user '{}'",
                                               shown(*subject.given.web_user)));
    }
    return;
  }
  try {
    const uid_t owner = subject.folder("dataroot").status->get(deadline).st_uid;
    subject.no_web_user =
        "dataroot belongs to root, so it is not known as whom the web server runs: "
        "--web-user says it";
    if (owner != 0) {
      subject.web_user = find_user(::getpwuid(owner));
      subject.no_web_user =
          fmt::format("the owner of dataroot, {}, is no user of this host", owner);
    }
  } catch (const Error& error) {
    subject.no_web_user = error.message();
  }
}

std::shared_ptr<const Pending<DatabaseView>>
ask_database(const std::shared_ptr<const Subject>& subject, const net::Deadline& deadline) {
  return std::make_shared<Pending<DatabaseView>>("the database", deadline, [subject] {
    database::Connection connection(subject->site.database(""), tool_name,
                                    subject->given.server_time());
    DatabaseView view;
    view.where = connection.where();
    view.installation = database::read_installation_state(connection);
    view.server = database::read_server_state(connection);
    return view;
  });
}

struct CacheFile {
  std::string path;
  std::optional<std::string> content; ///< none when there is no file
};

CacheFile read_cache_file(const moodle::Site& site) {
  CacheFile file{site.cache_config_path(), std::nullopt};
  try {
    file.content = io::read_snapshot(file.path, moodle::max_cache_config_bytes).content;
  } catch (const Error& error) {
    if (error.code() != ExitCode::no_input) {
      throw;
    }
  }
  return file;
}

void read_stores(CacheView& view) {
  const std::vector<std::string> mapped = view.config->mapped_stores();
  for (const std::string& name : view.config->store_names()) {
    const php::Array& entry = *view.config->store(name);
    Store store{name, entry.text("plugin"), entry, moodle::store_server_group(entry),
                std::find(mapped.begin(), mapped.end(), name) != mapped.end()};
    if (!store.servers.endpoints.empty()) {
      view.stores.push_back(std::move(store));
    }
  }
}

CacheView view_caches(const Pending<CacheFile>& pending, php::Runtime& php) {
  CacheView view;
  bool parsing = false;
  try {
    const CacheFile& file = pending.get();
    view.path = file.path;
    if (!file.content) {
      view.state = CacheView::State::absent;
      view.reason = fmt::format("there is no {} yet", shown(file.path));
      return view;
    }
    parsing = true;
    view.config = moodle::CacheConfig::parse(php, file.path, *file.content);
    if (const auto line = view.config->computed_line()) {
      view.reason =
          fmt::format("{}: line {} computes a value, which a web server may see otherwise",
                      shown(file.path), *line);
      return view;
    }
    view.as_moodle_writes = view.config->text(php) == *file.content;
    read_stores(view);
    view.state = CacheView::State::read;
  } catch (const Error& error) {
    view.reason = error.message();
    if (parsing && error.code() == ExitCode::data) { // all else may be no fault of the file
      view.state = CacheView::State::broken;
    }
  }
  return view;
}

Probes probe(const moodle::ServerGroup& group, std::chrono::milliseconds timeout) {
  if (group.protocol == moodle::CacheProtocol::memcached) {
    return net::probe_memcached(group.endpoints, timeout);
  }
  return net::probe_redis(group.endpoints, group.access, timeout);
}

Announced ask_nodes(const moodle::ServerGroup& group, const Endpoint& endpoint,
                    std::chrono::milliseconds timeout) {
  if (group.protocol == moodle::CacheProtocol::memcached) {
    net::Cluster cluster = net::discover(endpoint, timeout);
    return {std::move(cluster.nodes), cluster.source != net::Cluster::Source::plain};
  }
  return {net::redis_cluster_nodes(endpoint, group.access, timeout), true};
}

ProbedGroup probe_group(moodle::ServerGroup group, const Given& given, const CacheFacts* facts,
                        const net::Deadline& deadline) {
  ProbedGroup probed{std::move(group), nullptr, nullptr};
  if (probed.group.endpoints.empty()) {
    return probed;
  }
  if (probed.group.access.tls && !probed.group.access.tls->ca_file) {
    probed.group.access.tls->ca_file = given.ca_file;
  }
  const auto timeout = given.server_time();
  Endpoint endpoint = probed.group.endpoints.front();
  if (facts != nullptr && facts->endpoint && facts->protocol() == probed.group.protocol) {
    endpoint = *facts->parsed_endpoint();
  }
  probed.probes = std::make_shared<Pending<Probes>>(
      "the servers", deadline, [asked = probed.group, timeout] { return probe(asked, timeout); });
  probed.announced = std::make_shared<Pending<Announced>>(
      endpoint.text(), deadline,
      [asked = probed.group, endpoint, timeout] { return ask_nodes(asked, endpoint, timeout); });
  return probed;
}

} // namespace

bool is_below(const std::string& path, const std::string& folder) {
  return path == folder || path.starts_with(folder + "/");
}

std::optional<Endpoint> CacheFacts::parsed_endpoint() const {
  return endpoint ? std::optional(net::parse_endpoint(*endpoint, moodle::default_port(protocol())))
                  : std::nullopt;
}

std::vector<Endpoint> CacheFacts::parsed_nodes() const {
  std::vector<Endpoint> parsed;
  for (const std::string& node : nodes) {
    parsed.push_back(net::parse_endpoint(node, moodle::default_port(protocol())));
  }
  return parsed;
}

std::string CacheFacts::options() const {
  std::string text;
  const auto add = [&](const char* option, const std::string& value) {
    text += fmt::format(" --{}-{} {}", name, option, shell_word(value));
  };
  if (endpoint) {
    add("endpoint", *endpoint);
  }
  for (const std::string& node : endpoint ? std::vector<std::string>{} : nodes) {
    add("node", node);
  }
  if (engine && *engine != "memcached") {
    add("engine", *engine);
  }
  if (tls) {
    add("tls", "true");
  }
  return text;
}

bool WebUser::may(const struct stat& status, unsigned access) const {
  const unsigned mode = status.st_mode;
  if (uid == 0) {
    return true;
  }
  if (status.st_uid == uid) {
    return ((mode >> 6U) & access) == access;
  }
  const bool in_group = std::find(groups.begin(), groups.end(), status.st_gid) != groups.end();
  return ((in_group ? mode >> 3U : mode) & access) == access;
}

std::string CacheView::first_choice() const {
  const auto chain = config->chain(moodle::CacheMode::application);
  return chain.empty() ? "" : chain.front();
}

const Folder& Subject::folder(const std::string& setting) const {
  return *std::find_if(folders.begin(), folders.end(),
                       [&](const Folder& folder) { return folder.setting == setting; });
}

std::string Subject::code_root() const {
  if (site.dirroot.empty()) {
    return {};
  }
  const std::filesystem::path root = resolved(site.dirroot);
  constexpr moodle::Version with_public{5, 1, 0};
  const bool below = root.filename() == "public" && version && *version >= with_public;
  return (below ? root.parent_path() : root).string();
}

std::string Subject::release() const {
  return version ? "Moodle " + version->text() : "this Moodle";
}

std::string Subject::command(const std::string& name) const {
  std::string text = fmt::format("{} --config {}", name, shell_word(site.config_path));
  if (given.site.version) {
    text += " --moodle-version " + shell_word(*given.site.version);
  }
  return text;
}

namespace {

/// A command's options; none when it cannot express what the site has.
using Words = std::optional<std::string>;

bool announces_nodes(const ProbedGroup& group) {
  try {
    return group.announced->get().tells;
  } catch (const Error&) {
    return false;
  }
}

/// The cluster that the facts name, else the servers in use: by one of them where it knows the
/// others. None when there are neither, or when Moodle cannot use them.
Words server_options(const Given& given, CacheFacts facts, const ProbedGroup* used) {
  const bool is_used = used != nullptr && !used->group.endpoints.empty();
  if (!facts.known() && is_used) {
    const std::vector<Endpoint>& servers = used->group.endpoints;
    facts.engine = moodle::text(used->group.protocol);
    facts.tls = used->group.access.tls.has_value();
    if (servers.size() == 1 || announces_nodes(*used)) {
      facts.endpoint = servers.front().text();
    } else {
      for (const Endpoint& server : servers) {
        facts.nodes.push_back(server.text());
      }
    }
  }
  const bool redis = facts.protocol() == moodle::CacheProtocol::redis;
  if (!facts.known() || (facts.tls && !redis)) {
    return std::nullopt;
  }
  std::string text = facts.options();
  if (!redis) {
    return text;
  }
  const net::RedisAccess access = is_used ? used->group.access : net::RedisAccess{};
  const auto ca_file = access.tls && access.tls->ca_file ? access.tls->ca_file : given.ca_file;
  if (ca_file && facts.tls) {
    text += " --ca-file " + shell_word(*ca_file);
  }
  if (access.user || (access.password && !given.password_file)) {
    return std::nullopt;
  }
  if (given.password_file) {
    text += " --password-file " + shell_word(*given.password_file);
  }
  return text;
}

/// A setting of a session handler that is a number.
struct Number {
  const char* key;
  const char* option; ///< of moodle-session set, with the same bounds
  std::uint64_t least;
  std::uint64_t most;
  std::uint64_t preset;  ///< what the command takes without the option
  moodle::Version since; ///< when Moodle began to read it
};

const std::vector<Number>& numbers_of(moodle::CacheProtocol protocol) {
  constexpr std::uint64_t day = 86'400;
  constexpr std::uint64_t month = 30 * day;
  constexpr std::uint64_t none = std::numeric_limits<std::uint64_t>::max();
  static const std::vector<Number> memcached{
      {"acquire_lock_timeout", "acquire-lock-timeout", 1, day, 120, {}},
      {"lock_expire", "lock-expire", 1, month, 7200, {}},
      {"lock_retry_sleep", "lock-retry-sleep", 1, 60'000, none, {3, 2, 6}}};
  static const std::vector<Number> redis{
      {"database", "database", 0, 15, 0, {}},
      {"acquire_lock_timeout", "acquire-lock-timeout", 1, day, 120, {}},
      {"lock_expire", "lock-expire", 1, month, none, {}},
      {"acquire_lock_retry", "lock-retry-sleep", 1, 60'000, none, {3, 9, 0}},
      {"acquire_lock_warn", "lock-warn", 1, day, none, {3, 9, 0}},
      {"connection_timeout", "connection-timeout", 1, 3600, none, {4, 5, 5}},
      {"max_retries", "max-retries", 1, 100, none, {4, 5, 5}},
      {"read_timeout", "read-timeout", 1, 3600, none, {5, 2, 0}}};
  return protocol == moodle::CacheProtocol::redis ? redis : memcached;
}

/// TLS options that the command does not write are lost: another name, a client's certificate.
bool has_other_tls_options(const php::Value* encrypt) {
  const php::Array* const options = encrypt == nullptr ? nullptr : encrypt->array();
  return options != nullptr
         && std::any_of(options->entries.begin(), options->entries.end(), [](const auto& entry) {
              const auto* const name = std::get_if<std::string>(&entry.first);
              return name == nullptr
                     || (*name != "verify_peer" && *name != "verify_peer_name"
                         && *name != "cafile");
            });
}

/// What the site has set for its sessions besides their servers.
Words handler_options(const Subject& subject, moodle::CacheProtocol protocol) {
  const std::string begin = fmt::format("session_{}_", moodle::text(protocol));
  const php::Array& cfg = subject.site.evaluation.cfg;
  std::string text;
  const auto add = [&](const char* option, const std::string& value) {
    text += fmt::format(" --{} {}", option, shell_word(value));
  };
  if (const std::string prefix = subject.site.text(begin + "prefix"); !prefix.empty()) {
    constexpr std::size_t longest = 200;
    if (prefix.size() > longest || std::any_of(prefix.begin(), prefix.end(), [](char c) {
          return c <= ' ' || c >= 0x7F;
        })) {
      return std::nullopt;
    }
    add("prefix", prefix);
  }
  for (const Number& number : numbers_of(protocol)) {
    const php::Value* const value = cfg.find(begin + number.key);
    if (value == nullptr || value->is_null()
        || (subject.version && *subject.version < number.since)) {
      continue;
    }
    const auto set = cli::parse_unsigned(value->scalar_text().value_or(""));
    if (!set || ((*set < number.least || *set > number.most) && *set != number.preset)) {
      return std::nullopt;
    }
    if (*set != number.preset) {
      add(number.option, std::to_string(*set));
    }
  }
  if (protocol == moodle::CacheProtocol::memcached) {
    return text;
  }
  if (has_other_tls_options(cfg.find(begin + "encrypt"))) {
    return std::nullopt;
  }
  const php::Value* const igbinary = cfg.find(begin + "serializer_use_igbinary");
  if (igbinary != nullptr && igbinary->truthy()) {
    add("serialiser", "igbinary");
  }
  constexpr moodle::Version compresses{3, 11, 0};
  const std::string compressor = subject.site.text(begin + "compressor");
  if (!compressor.empty() && compressor != "none"
      && (!subject.version || *subject.version >= compresses)) {
    if (compressor != "gzip" && compressor != "zstd") {
      return std::nullopt;
    }
    add("compressor", compressor);
  }
  return text;
}

} // namespace

std::string Subject::set_sessions() const {
  const CacheFacts& facts = given.session_cache;
  const bool known = facts.known() || sessions.group.endpoints.empty();
  const Words servers = server_options(given, facts, &sessions);
  const Words others = handler_options(*this, known ? facts.protocol() : sessions.group.protocol);
  return servers && others ? command("moodle-session set") + *servers + *others : "";
}

std::string Subject::set_store(const std::string& store) const {
  const ProbedGroup* used = nullptr;
  for (std::size_t i = 0; i < caches.stores.size(); ++i) {
    used = caches.stores[i].name == store ? &store_servers[i] : used;
  }
  const Words servers = server_options(given, given.app_cache, used);
  return servers ? command("moodle-muc set") + *servers
                       + (store.empty() ? "" : " --store " + shell_word(store))
                 : "";
}

std::shared_ptr<const Subject> look_at(const Given& given, php::Runtime& php) {
  moodle::Site site = moodle::load_site(given.site, php);
  const std::optional<moodle::Version> version = site.version();
  // These may start another PHP process, which is done best before there are threads.
  const bool follows_endpoint = moodle::follows_endpoint(php);
  std::vector<moodle::ServingPhp> serving = moodle::read_serving_php(php, given.etc);

  const net::Deadline first(given.timeout);
  const net::Deadline local(given.timeout / 2);
  auto subject = std::make_shared<Subject>(first);
  subject->given = given;
  subject->site = std::move(site);
  subject->version = version;
  subject->follows_endpoint = follows_endpoint;
  subject->php = std::move(serving);
  subject->mounts = io::mount_table();
  subject->folders = find_folders(subject->site, first);
  // From here on threads read what has been set so far.
  subject->database = ask_database(subject, first);
  const Pending<CacheFile> cache_file("the cache configuration in dataroot", local,
                                      [subject] { return read_cache_file(subject->site); });
  subject->sessions = probe_group(moodle::session_server_group(subject->site), given,
                                  &subject->given.session_cache, first);
  choose_web_user(*subject, local);
  subject->caches = view_caches(cache_file, php);
  // What is in the cache configuration has the whole time once that is known.
  subject->deadline = net::Deadline(given.timeout);
  for (const Store& store : subject->caches.stores) {
    const bool meant = subject->caches.first_choice() == store.name;
    subject->store_servers.push_back(probe_group(
        store.servers, given, meant ? &subject->given.app_cache : nullptr, subject->deadline));
  }
  return subject;
}
