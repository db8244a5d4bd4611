#include "database/installation.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"
#include "database/sql.hpp"
#include "database/transaction.hpp"

#include <fmt/format.h>

#include <limits>

namespace database {

namespace {

constexpr std::uint64_t largest_id = std::numeric_limits<std::int64_t>::max();

/// Moodle takes the first of the comma list (Moodle 4.5 admin/index.php).
std::optional<std::int64_t> first_administrator(const std::string& siteadmins,
                                                const std::string& table) {
  const std::string first = cli::split(siteadmins, ',').front();
  if (first.empty()) {
    return std::nullopt;
  }
  const auto id = cli::parse_unsigned(cli::trim(first));
  if (!id || *id > largest_id) {
    throw cli::Error(cli::ExitCode::data,
                     fmt::format("'siteadmins' in {} begins with '{}', which is no user id", table,
                                 cli::shown(first)));
  }
  return static_cast<std::int64_t>(*id);
}

std::optional<int> small_number(const std::string& text) {
  const auto value = cli::parse_unsigned(cli::trim(text));
  return value && *value <= 255 ? std::optional(static_cast<int>(*value)) : std::nullopt;
}

InstallationState read(Connection& connection, Transaction& transaction) {
  const auto exists = transaction.query(sql::tables_exist, '"' + connection.table("user") + '"',
                                        '"' + connection.table("config") + '"');
  InstallationState state;
  state.has_tables = exists.at(0)[0].as<bool>();
  if (!state.has_tables) {
    return state;
  }
  std::string siteadmins;
  bool rolesactive = false;
  for (const auto& row : transaction.query(sql::config_values)) {
    const auto name = row["name"].as<std::string>();
    const auto value = row["value"].as<std::string>();
    if (name == "siteadmins") {
      siteadmins = value;
    } else if (name == "rolesactive") {
      rolesactive = value == "1";
    } else if (name == "getremoteaddrconf") {
      state.getremoteaddrconf = small_number(value);
    } else {
      // Moodle's version may have a fraction: 2017051501.03.
      state.version_text = value;
      state.version = static_cast<std::int64_t>(
          cli::parse_unsigned(cli::split(value, '.').front()).value_or(0) & largest_id);
    }
  }
  const auto id = first_administrator(siteadmins, connection.table("config"));
  if (!id) {
    return state;
  }
  const auto users = transaction.query(sql::administrator, *id);
  if (users.empty()) {
    return state;
  }
  state.has_administrator = true;
  if (users[0]["pending"].as<bool>()) {
    state.pending_user_id = id;
    state.pending_username = users[0]["username"].as<std::string>();
    state.pending_lastip = users[0]["lastip"].as<std::string>();
  } else {
    state.finished = rolesactive;
  }
  return state;
}

} // namespace

InstallationState read_installation_state(Connection& connection) {
  Transaction transaction(connection, Transaction::Access::read_only);
  return read(connection, transaction);
}

bool set_pending_lastip(Connection& connection, std::int64_t user_id, const std::string& address) {
  Transaction transaction(connection, Transaction::Access::read_write);
  const InstallationState state = read(connection, transaction);
  if (state.pending_user_id == user_id && state.pending_lastip == address) {
    return false;
  }
  if (state.pending_user_id != user_id
      || transaction.query(sql::update_lastip, address, user_id).affected_rows() != 1) {
    throw cli::Error(cli::ExitCode::try_again,
                     fmt::format("user {} in {} stopped being the pending administrator meanwhile; "
                                 "nothing was changed",
                                 user_id, connection.table("user")));
  }
  transaction.commit();
  return true;
}

} // namespace database
