#pragma once

#include "database/link.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace database {

/// One transaction. It is rolled back unless commit() was called. Throws what Connection says.
class Transaction {
public:
  enum class Access { read_only, read_write };

  Transaction(Connection& connection, Access access);

  /// Runs one statement. In `sql`, {user}, {config} and {config_plugins} are the site's tables;
  /// values come only as parameters $1, $2, ….
  template <typename... Values>
  pqxx::result query(std::string_view sql, const Values&... values) {
    const std::string text = with_tables(sql);
    pqxx::result result;
    guarded("cannot ask the database", [&] { result = work_->exec_params(text, values...); });
    return result;
  }

  /// After a failure here it is unknown only when the message says so.
  void commit();

private:
  [[nodiscard]] std::string with_tables(std::string_view sql) const;
  /// Runs `call` within the connection's timeout and translates what libpqxx throws.
  void guarded(const std::string& what, const std::function<void()>& call);

  Connection& connection_;
  std::unique_ptr<pqxx::transaction_base> work_;
};

} // namespace database
