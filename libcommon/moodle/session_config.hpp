#pragma once

#include "moodle/managed_block.hpp"
#include "moodle/site.hpp"
#include "net/endpoint.hpp"
#include "php/value.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace moodle {

/// The settings that one session handler is to have; what is not named here is to be unset.
struct SessionSettings {
  std::string handler_class;                              ///< "\core\session\memcached"
  std::vector<std::pair<std::string, php::Value>> values; ///< text or integer, in order
};

/// What a Redis host begins with for TLS up to Moodle 4.2, which hands it to PHP's extension as it
/// is.
inline constexpr std::string_view tls_scheme = "tls://";

/// The class that Moodle would use (Moodle 4.5 lib/classes/session/manager.php, get_handler_class):
/// session_handler_class, or else database when dbsessions is set, or else file. With the leading
/// backslash, whether or not it was written.
std::string session_handler_class(const php::Array& cfg);

/// "memcached" for "\core\session\memcached"; another class is given as it is.
std::string session_handler_name(const std::string& handler_class);

/// The cache servers of the handler in force; none when sessions are in files or in the database.
/// Text that is no endpoint is left out.
std::vector<net::Endpoint> session_servers(const php::Array& cfg);

/// Plans the change of one config.php; judged by what PHP makes of the file, not by its text.
class SessionConfig {
public:
  /// The site, and the PHP that evaluated it, have to outlive this.
  explicit SessionConfig(const Site& site) : site_(site) {}

  /// The content after which Moodle uses these settings; the same content when it already does so
  /// without our lines or when they are there already.
  [[nodiscard]] std::string with(const std::string& content, const SessionSettings& settings) const;
  /// The content without our lines.
  [[nodiscard]] std::string without(const std::string& content) const;
  [[nodiscard]] bool is_managed(const std::string& content) const;

  /// The session settings that the rest of config.php makes, without our lines, by key.
  [[nodiscard]] std::vector<std::string> keys_elsewhere() const;

  /// Throws cli::Error{config} unless PHP sees exactly these settings in the content and otherwise
  /// the same $CFG as in `before` without our lines.
  void verify(const std::string& after, const std::string& before,
              const SessionSettings& settings) const;

private:
  [[nodiscard]] Evaluation evaluate(const std::string& content) const;

  const Site& site_;
  ManagedBlock block_{"moodle-session"};
};

} // namespace moodle
