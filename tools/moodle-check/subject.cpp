#include "subject.hpp"

#include "cli/text.hpp"
#include "database/connection.hpp"
#include "io/file.hpp"
#include "moodle/session_config.hpp"

#include <cerrno>
#include <grp.h>
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

std::vector<Folder> find_folders(const moodle::Site& site, const net::Deadline& deadline) {
  std::vector<Folder> folders;
  for (const auto& [setting, below] : moodle::data_folders) {
    const std::string path = site.data_folder(setting);
    folders.push_back({std::string(setting), path,
                       std::make_shared<Pending<struct stat>>(shown(path), deadline,
                                                              [path] { return status_of(path); })});
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
  for (const std::string& name : view.config->store_names()) {
    const php::Array& entry = *view.config->store(name);
    Store store{name, entry.text("plugin"), entry, moodle::store_server_group(entry)};
    if (!store.servers.endpoints.empty()) {
      view.stores.push_back(std::move(store));
    }
  }
}

CacheView view_caches(const Pending<CacheFile>& pending, php::Runtime& php) {
  CacheView view;
  try {
    const CacheFile& file = pending.get();
    view.path = file.path;
    if (!file.content) {
      view.state = CacheView::State::absent;
      view.reason = fmt::format("there is no {} yet", shown(file.path));
      return view;
    }
    view.state = CacheView::State::broken;
    view.config = moodle::CacheConfig::parse(php, file.path, *file.content);
    view.state = CacheView::State::read;
    view.as_moodle_writes = view.config->text(php) == *file.content;
    read_stores(view);
  } catch (const Error& error) {
    view.reason = error.message();
  }
  return view;
}

Probes probe(const moodle::ServerGroup& group, std::chrono::milliseconds timeout) {
  if (group.protocol == moodle::CacheProtocol::memcached) {
    return net::probe_memcached(group.endpoints, timeout);
  }
  return net::probe_redis(group.endpoints, group.access, timeout);
}

std::vector<Endpoint> ask_nodes(const moodle::ServerGroup& group, const Endpoint& endpoint,
                                std::chrono::milliseconds timeout) {
  return group.protocol == moodle::CacheProtocol::memcached
             ? net::discover(endpoint, timeout).nodes
             : net::redis_cluster_nodes(endpoint, group.access, timeout);
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
  probed.announced = std::make_shared<Pending<std::vector<Endpoint>>>(
      endpoint.text(), deadline,
      [asked = probed.group, endpoint, timeout] { return ask_nodes(asked, endpoint, timeout); });
  return probed;
}

} // namespace

std::optional<Endpoint> CacheFacts::parsed_endpoint() const {
  return endpoint ? std::optional(net::parse_endpoint(*endpoint, moodle::default_port(protocol())))
                  : std::nullopt;
}

std::string CacheFacts::options() const {
  std::string text;
  const auto add = [&](const char* option, const std::string& value) {
    text += fmt::format(" --{}-{} {}", name, option, shell_word(value));
  };
  if (endpoint || nodes.empty()) {
    add("endpoint", endpoint.value_or("HOST:PORT"));
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

std::string access_options(const Given& given, const CacheFacts& facts, bool has_password) {
  std::string text;
  if (given.ca_file && facts.tls) {
    text += " --ca-file " + shell_word(*given.ca_file);
  }
  if (facts.protocol() == moodle::CacheProtocol::redis && (given.password_file || has_password)) {
    text += " --password-file " + shell_word(given.password_file.value_or("PASSWORD-FILE"));
  }
  return text;
}

} // namespace

std::string Subject::set_sessions() const {
  const moodle::ServerGroup& used = sessions.group;
  CacheFacts facts = given.session_cache;
  if (!facts.known() && !used.endpoints.empty()) { // each node of a cluster knows the others
    facts.endpoint = used.endpoints.front().text();
    facts.engine = moodle::text(used.protocol);
    facts.tls = used.access.tls.has_value();
  }
  const std::string prefix =
      site.text(fmt::format("session_{}_prefix", moodle::text(facts.protocol())));
  return command("moodle-session set") + facts.options()
         + access_options(given, facts, used.access.password.has_value())
         + (prefix.empty() ? "" : " --prefix " + shell_word(prefix));
}

std::string Subject::set_store(const std::string& store) const {
  bool has_password = false;
  for (const Store& one : caches.stores) {
    has_password = has_password || (one.name == store && one.servers.access.password);
  }
  return command("moodle-muc set") + given.app_cache.options()
         + access_options(given, given.app_cache, has_password)
         + (store.empty() ? "" : " --store " + shell_word(store));
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
