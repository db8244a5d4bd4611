#include "database/server_state.hpp"

#include "cli/text.hpp"
#include "database/sql.hpp"
#include "database/transaction.hpp"

#include <algorithm>

namespace database {

namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

std::chrono::microseconds measure(Transaction& transaction) {
  using Clock = std::chrono::steady_clock;
  constexpr int times = 5;
  auto shortest = Clock::duration::max();
  for (int i = 0; i < times; ++i) {
    const auto start = Clock::now();
    transaction.query("SELECT 1");
    shortest = std::min(shortest, Clock::now() - start);
  }
  return std::chrono::ceil<std::chrono::microseconds>(shortest);
}

/// The value of the one row that the statement may give.
std::optional<std::string> value_of(const pqxx::result& rows) {
  return rows.empty() ? std::nullopt : std::optional(rows[0][0].as<std::string>());
}

} // namespace

ServerState read_server_state(Connection& connection) {
  Transaction transaction(connection, Transaction::Access::read_only);
  ServerState state;
  state.round_trip = measure(transaction);
  const auto before = std::chrono::system_clock::now();
  const auto answer =
      transaction.query(sql::server_state, '"' + connection.table("config_plugins") + '"',
                        '"' + connection.table("config") + '"');
  const auto middle = before + (std::chrono::system_clock::now() - before) / 2;
  const Milliseconds there(answer[0]["now"].as<double>() * 1000);
  const Milliseconds here(middle.time_since_epoch());
  state.clock_ahead = std::chrono::round<std::chrono::milliseconds>(there - here);
  state.version = answer[0]["version"].as<int>();
  if (answer[0]["has_config"].as<bool>()) {
    const std::string dbsessions = value_of(transaction.query(sql::dbsessions)).value_or("");
    state.sessions_in_database = !dbsessions.empty() && dbsessions != "0";
  }
  if (answer[0]["has_plugins"].as<bool>()) {
    const auto last = value_of(transaction.query(sql::last_cron));
    const auto seconds = last ? cli::parse_unsigned(*last) : std::nullopt;
    if (seconds) {
      state.last_cron = static_cast<std::int64_t>(*seconds);
    }
  }
  return state;
}

} // namespace database
