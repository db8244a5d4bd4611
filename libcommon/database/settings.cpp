#include "database/settings.hpp"

namespace database {

namespace {

/// PHP's empty() for a value printed as text.
bool is_empty(const std::string& text) {
  return text.empty() || text == "0";
}

} // namespace

void set_address(Settings& settings, const std::string& dbhost, const std::string& dbsocket,
                 const std::string& dbport) {
  const bool by_socket = !is_empty(dbsocket) && (dbhost == "localhost" || dbhost == "127.0.0.1");
  settings.host = by_socket ? "" : dbhost;
  settings.socket = by_socket && dbsocket.find('/') != std::string::npos ? dbsocket : "";
  settings.port = !is_empty(dbport) ? dbport : by_socket ? "" : "5432";
}

} // namespace database
