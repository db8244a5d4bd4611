#pragma once

#include "database/installation.hpp"
#include "database/server_state.hpp"
#include "io/mounts.hpp"
#include "moodle/cache_config.hpp"
#include "moodle/php_settings.hpp"
#include "moodle/shared_servers.hpp"
#include "moodle/site.hpp"
#include "net/discovery.hpp"
#include "net/memcached.hpp"
#include "net/redis.hpp"
#include "pending.hpp"

#include <memory>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <variant>
#include <vector>

/// What is known of one of the two cache clusters, by options and facts.
struct CacheFacts {
  std::string name; ///< "app-cache" or "session-cache", the beginning of its options
  std::optional<std::string> endpoint = {};
  std::vector<std::string> nodes = {};
  std::optional<std::string> engine = {};
  bool tls = false;

  [[nodiscard]] bool known() const { return endpoint || !nodes.empty(); }
  [[nodiscard]] moodle::CacheProtocol protocol() const { return moodle::protocol_of(engine); }
  /// The endpoint, with the engine's port unless it names one.
  [[nodiscard]] std::optional<net::Endpoint> parsed_endpoint() const;
  [[nodiscard]] std::vector<net::Endpoint> parsed_nodes() const;
  /// These facts as the options of the commands that take them, each with a blank before it.
  [[nodiscard]] std::string options() const;
};

/// Whether the path is the folder, or below it, by their words.
bool is_below(const std::string& path, const std::string& folder);

/// What the command was told.
struct Given {
  moodle::SiteOptions site;
  CacheFacts app_cache{.name = "app-cache"};
  CacheFacts session_cache{.name = "session-cache"};
  std::vector<std::string> alb_ips;
  std::optional<std::string> alb_dns;
  std::optional<std::string> site_url;
  std::optional<std::string> efs_id;
  std::optional<std::string> efs_mode;
  std::optional<std::uint64_t> efs_size_bytes;
  std::optional<std::uint64_t> efs_credits; ///< bytes
  std::optional<std::uint64_t> web_servers; ///< how many there may be, at most
  std::optional<std::string> access_log;
  std::optional<std::string> web_user;
  std::optional<std::string> ca_file;
  std::optional<std::string> password_file;
  std::string etc = "/etc";
  std::chrono::milliseconds timeout{5'000};

  /// A server has to answer sooner than the checks that wait for it are given up.
  [[nodiscard]] std::chrono::milliseconds server_time() const { return timeout * 3 / 4; }
  [[nodiscard]] bool behind_load_balancer() const { return alb_dns || !alb_ips.empty(); }
  [[nodiscard]] bool several_web_servers() const { return web_servers && *web_servers > 1; }
};

/// The user as whom the web server runs Moodle.
struct WebUser {
  std::string name;
  uid_t uid = 0;
  std::vector<gid_t> groups; ///< the first is its own

  /// Whether it may read (4), write (2) or enter (1) what has this status, by the mode's bits.
  [[nodiscard]] bool may(const struct stat& status, unsigned access) const;
};

/// One of the folders that Moodle uses.
struct Folder {
  std::string setting; ///< "dataroot"
  std::string path;
  std::shared_ptr<const Pending<struct stat>> status;
  std::shared_ptr<const Pending<std::string>> real_path; ///< without symbolic links
};

struct DatabaseView {
  std::string where; ///< "database 'moodle' on db.example.org:5432"
  database::InstallationState installation;
  database::ServerState server;
};

/// One store of the cache configuration that has servers.
struct Store {
  std::string name;
  std::string plugin;
  php::Array entry;
  moodle::ServerGroup servers;
  bool mapped = true; ///< whether a mapping names it
};

/// The cache configuration, or why there is none.
struct CacheView {
  enum class State { read, absent, broken, unknown };
  State state = State::unknown;
  std::string path;
  std::string reason; ///< for all but `read`
  std::optional<moodle::CacheConfig> config;
  bool as_moodle_writes = true;
  std::vector<Store> stores;

  /// The store that application caches use first; empty for none. Only when `config` is there.
  [[nodiscard]] std::string first_choice() const;
};

using Probes = std::variant<std::vector<net::Probe<net::MemcachedStatus>>,
                            std::vector<net::Probe<net::RedisStatus>>>;

/// The nodes of a cluster, by what a server says.
struct Announced {
  std::vector<net::Endpoint> nodes;
  bool tells = true; ///< false: a plain memcached, which is all that it knows
};

/// A group of servers, and what has been asked about it.
struct ProbedGroup {
  moodle::ServerGroup group;
  std::shared_ptr<const Pending<Probes>> probes;
  /// The nodes that the cluster announces, asked at the endpoint that the facts name, or else at
  /// the group's first server; null for no servers.
  std::shared_ptr<const Pending<Announced>> announced;
};

/// All that the checks look at. Once made, nothing changes it, so that threads share it.
struct Subject {
  Given given;
  moodle::Site site;
  std::optional<moodle::Version> version;
  std::string mounts; ///< the mount table
  bool follows_endpoint = false;
  std::vector<moodle::ServingPhp> php;
  std::optional<WebUser> web_user;
  std::string no_web_user; ///< why there is none
  net::Deadline deadline;  ///< of all checks

  std::vector<Folder> folders; ///< dataroot, cachedir, tempdir, localcachedir
  std::shared_ptr<const Pending<DatabaseView>> database;
  CacheView caches;
  ProbedGroup sessions;
  std::vector<ProbedGroup> store_servers; ///< one for each of caches.stores

  explicit Subject(net::Deadline end) : deadline(end) {}

  [[nodiscard]] const Folder& folder(const std::string& setting) const;
  /// The folder of all code, without symbolic links: the web root, or from Moodle 5.1 on the folder
  /// above it. Empty when the code is not on this host.
  [[nodiscard]] std::string code_root() const;
  /// "4.5.6" for messages, or "of this release".
  [[nodiscard]] std::string release() const;
  /// The beginning of a mending command: "moodle-session set --config /…/config.php".
  [[nodiscard]] std::string command(const std::string& name) const;
  /// The command that sets the sessions, or the cache store, to the cluster that the facts name, or
  /// else to the servers in use. Empty where there are neither, and where something that the site
  /// has set would be lost.
  [[nodiscard]] std::string set_sessions() const;
  [[nodiscard]] std::string set_store(const std::string& store = {}) const;
};

/// Starts all that takes time, and reads what PHP has to read meanwhile. Throws cli::Error when
/// config.php cannot be read or evaluated: there is no site then.
std::shared_ptr<const Subject> look_at(const Given& given, php::Runtime& php);
