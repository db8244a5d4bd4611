#include "database/connection.hpp"

#include "cli/text.hpp"
#include "database/link.hpp"
#include "net/deadline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <libpq-fe.h>
#include <poll.h>

namespace database {

namespace {

using Clock = std::chrono::steady_clock;
using PgHandle = std::unique_ptr<PGconn, decltype(&PQfinish)>;

bool is_sqlstate(std::string_view text) {
  return text.size() == 5 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
         });
}

/// Whether the socket became ready before the deadline.
bool wait_for(int socket, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd waiting{.fd = socket, .events = events, .revents = 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<decltype(left)>(left, 0)));
    if (ready >= 0 || errno != EINTR) {
      return ready != 0; // an error of poll() shows in what libpq does next
    }
  }
}

void ignore_notices(void* /*unused*/, const char* /*message*/) {}

cli::Error connect_error(PGconn* connection) {
  const Failure failure = explain(PQerrorMessage(connection));
  if (failure.state.empty() && PQconnectionNeedsPassword(connection) != 0) {
    return {cli::ExitCode::no_permission,
            "cannot connect to the database: the server wants a password, and there is none",
            "a password comes from config.php, or from the file that PGPASSFILE names"};
  }
  if (failure.state.empty() && failure.reason.starts_with("invalid ")) {
    return {cli::ExitCode::config,
            fmt::format("cannot connect to the database: {}", cli::shown(failure.reason, 400))};
  }
  return server_error("cannot connect to the database", failure.state, failure.reason);
}

PgHandle start(const Parameters& parameters, bool expand) {
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : parameters) {
    if (value.find('\0') != std::string::npos) {
      throw cli::Error(cli::ExitCode::config,
                       fmt::format("the database's {} holds a zero byte", keyword));
    }
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  PgHandle connection(PQconnectStartParams(keywords.data(), values.data(), expand ? 1 : 0),
                      &PQfinish);
  if (!connection) {
    throw std::bad_alloc();
  }
  return connection;
}

Parameters parameters_of(const Settings& settings, const std::string& application_name) {
  Parameters parameters;
  const auto add = [&](const char* keyword, const std::string& value) {
    if (!value.empty()) {
      parameters.emplace_back(keyword, value);
    }
  };
  add("dbname", settings.dsn);
  add("dbname", settings.name);
  add("host", settings.socket.empty() ? settings.host : settings.socket);
  add("port", settings.port);
  add("user", settings.user);
  add("password", settings.password);
  add("sslmode", settings.sslmode);
  add("client_encoding", "UTF8");
  add("application_name", application_name);
  return parameters;
}

/// Starts to connect. libpq looks the host's name up in here, which nothing can interrupt.
PgHandle start_until(const net::Deadline& deadline, const Parameters& parameters, bool expand) {
  auto starting = net::start_detached([parameters, expand] { return start(parameters, expand); });
  auto connection = net::wait_for(starting, deadline);
  if (!connection) {
    throw cli::Error(
        cli::ExitCode::unavailable,
        fmt::format("cannot connect to the database: its host's name is not resolved within {}",
                    deadline.text()));
  }
  return std::move(*connection);
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool is_connection_string(const std::string& dsn) {
  return dsn.find('=') != std::string::npos || dsn.starts_with("postgres://")
         || dsn.starts_with("postgresql://");
}

} // namespace

Failure explain(std::string_view message) {
  Failure failure;
  std::vector<std::string> reasons;
  for (std::string line : cli::split(message, '\n')) {
    if (line.empty() || line.starts_with("LOCATION:")) {
      continue;
    }
    for (std::size_t at = line.find(":  "); at != std::string::npos;
         at = line.find(":  ", at + 1)) {
      if (line.substr(at + 8, 2) == ": " && is_sqlstate(std::string_view(line).substr(at + 3, 5))) {
        failure.state = line.substr(at + 3, 5);
        line.erase(at + 2, 7);
        break;
      }
    }
    reasons.emplace_back(cli::trim(line));
  }
  failure.reason = cli::join(reasons, "; ");
  return failure;
}

cli::ExitCode code_for_sqlstate(const std::string& state) noexcept {
  const auto in_class = [&](const char* code_class) { return state.starts_with(code_class); };
  if (in_class("28") || state == "42501") {
    return cli::ExitCode::no_permission;
  }
  if (state == "55P03" || in_class("40")) {
    return cli::ExitCode::try_again;
  }
  if (state.empty() || in_class("08") || in_class("53") || in_class("57") || in_class("58")) {
    return cli::ExitCode::unavailable;
  }
  return cli::ExitCode::config;
}

cli::Error server_error(const std::string& what, const std::string& state,
                        const std::string& reason) {
  const char* hint = state == "25006" ? "this is a read-only replica: use the writer endpoint" : "";
  return {code_for_sqlstate(state),
          fmt::format("{}: {}", what,
                      cli::shown(reason.empty() ? "the connection was lost" : reason, 400)),
          hint};
}

BoundedConnect::handle BoundedConnect::do_startconnect(handle orig) {
  if (orig != nullptr) {
    return orig;
  }
  if (std::exchange(used_, true)) {
    // A transaction that lost its session must fail, not go on in a new one without its settings.
    throw cli::Error(cli::ExitCode::unavailable, "the connection to the database was lost");
  }
  const net::Deadline deadline(timeout_);
  PgHandle connection = start_until(deadline, parameters_, expand_);
  PQsetErrorVerbosity(connection.get(), PQERRORS_VERBOSE); // see Failure
  PQsetNoticeProcessor(connection.get(), ignore_notices, nullptr);
  PostgresPollingStatusType status =
      PQstatus(connection.get()) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
    const short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (!wait_for(PQsocket(connection.get()), events, deadline.at())) {
      throw cli::Error(
          cli::ExitCode::unavailable,
          fmt::format("cannot connect to the database: no answer from {}:{} within {} ms",
                      cli::shown(PQhost(connection.get())), cli::shown(PQport(connection.get())),
                      timeout_.count()));
    }
    status = PQconnectPoll(connection.get());
  }
  if (status != PGRES_POLLING_OK) {
    throw connect_error(connection.get());
  }
  return connection.release();
}

Connection::Connection(const Settings& settings, const std::string& application_name,
                       std::chrono::milliseconds timeout)
    : settings_(settings), timeout_(timeout) {
  check_prefix(settings_.prefix);
  link_ = std::make_unique<Link>(parameters_of(settings_, application_name), !settings_.dsn.empty(),
                                 timeout);
}

Connection::~Connection() = default;

std::string Connection::table(const std::string& name) const {
  // Moodle writes the names without quotes, so PostgreSQL reads them in lower case.
  return lower(settings_.prefix) + name;
}

std::string Connection::where() const {
  const auto text = [](const char* value) { return cli::shown(value != nullptr ? value : ""); };
  return fmt::format("database '{}' on {}:{}", text(link_->dbname()), text(link_->hostname()),
                     text(link_->port()));
}

void check_dsn(const std::string& dsn) {
  if (!is_connection_string(dsn)) {
    return;
  }
  using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;
  const Options options(PQconninfoParse(dsn.c_str(), nullptr), &PQconninfoFree);
  if (!options) {
    // libpq's own words may repeat a piece of what was typed, and that may be a password.
    throw cli::Error(cli::ExitCode::usage,
                     "the value of --dsn is neither a libpq connection string nor a URI",
                     "for example: --dsn 'host=db.example.org dbname=moodle user=moodle'");
  }
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    const std::string_view keyword = option->keyword;
    if ((keyword == "password" || keyword == "sslpassword") && option->val != nullptr) {
      throw cli::Error(cli::ExitCode::usage,
                       "--dsn holds a password, which every user of this machine can see",
                       "put it into a file that PGPASSFILE names (or ~/.pgpass)");
    }
  }
}

void check_prefix(const std::string& prefix) {
  const bool fits = std::all_of(prefix.begin(), prefix.end(), [](unsigned char c) {
    return c == '_' || (c < 0x80 && std::isalnum(c) != 0);
  });
  // 63 bytes is the longest name that PostgreSQL keeps apart; "config" is the longest one added
  // here.
  if (!fits || prefix.size() > 57) {
    throw cli::Error(
        cli::ExitCode::config,
        fmt::format("'{}' is no table prefix: letters, digits and '_' only, at most 57",
                    cli::shown(prefix)));
  }
}

} // namespace database
