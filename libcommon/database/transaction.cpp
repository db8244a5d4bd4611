#include "database/transaction.hpp"

#include "cli/text.hpp"
#include "database/sql.hpp"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <sys/socket.h>
#include <thread>

namespace database {

namespace {

/// How much longer than the server, which was told to give up by itself, this side waits.
constexpr std::chrono::milliseconds grace{500};

/// Shuts a socket down unless it is destroyed within the time limit. libpqxx 6 can only wait
/// without end; on a socket that is shut down, its wait ends with an error.
class Watchdog {
public:
  Watchdog(int socket, std::chrono::milliseconds limit)
      : thread_([socket, limit](const std::stop_token& stop) {
          std::mutex mutex;
          std::unique_lock lock(mutex);
          std::condition_variable_any{}.wait_for(lock, stop, limit, [] { return false; });
          if (!stop.stop_requested()) {
            ::shutdown(socket, SHUT_RDWR);
          }
        }) {}

private:
  std::jthread thread_;
};

/// What the first line says (the second is about the statement), without "ERROR:" before it.
Failure failure_of(const std::exception& error) {
  Failure failure = explain(cli::split(error.what(), '\n').front());
  if (const std::size_t at = failure.reason.find(":  "); at < 12) {
    failure.reason.erase(0, at + 3);
  }
  return failure;
}

std::string milliseconds(std::chrono::milliseconds time) {
  return std::to_string(time.count());
}

} // namespace

Transaction::Transaction(Connection& connection, Access access) : connection_(connection) {
  guarded("cannot begin a transaction", [&] {
    if (access == Access::read_only) {
      work_ = std::make_unique<pqxx::read_transaction>(*connection.link_);
    } else {
      work_ = std::make_unique<pqxx::work>(*connection.link_);
    }
  });
  // The lock's limit is the shorter one, so that a lock is told from a slow server.
  query(sql::begin, milliseconds(connection.timeout_), milliseconds(connection.timeout_ * 9 / 10),
        connection.settings().schema);
}

void Transaction::commit() {
  guarded("cannot commit", [&] { work_->commit(); });
}

std::string Transaction::with_tables(std::string_view sql) const {
  const std::string user = connection_.link_->quote_name(connection_.table("user"));
  const std::string config = connection_.link_->quote_name(connection_.table("config"));
  const std::string plugins = connection_.link_->quote_name(connection_.table("config_plugins"));
  return fmt::format(fmt::runtime(sql), fmt::arg("user", user), fmt::arg("config", config),
                     fmt::arg("config_plugins", plugins));
}

void Transaction::guarded(const std::string& what, const std::function<void()>& call) {
  try {
    const Watchdog watchdog(connection_.link_->sock(), connection_.timeout_ + grace);
    call();
  } catch (const pqxx::in_doubt_error&) {
    throw cli::Error(
        cli::ExitCode::unavailable,
        "the connection was lost while committing: it is unknown whether the change was made",
        "run the command again: it changes only what is not right yet");
  } catch (const pqxx::failure& error) {
    const Failure failure = failure_of(error);
    throw server_error(what, failure.state, failure.reason);
  }
}

} // namespace database
