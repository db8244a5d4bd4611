#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The Redis serialization protocol, version 2 (Redis documentation, "RESP protocol
/// specification"), which every Redis and Valkey speaks until it is asked for another.
namespace net::resp {

/// No answer that this project asks for comes near these.
constexpr std::size_t max_reply_bytes = 1U << 20U;
constexpr std::size_t max_depth = 8;

struct Reply {
  enum class Kind { status, error, number, bulk, null, list };

  Kind kind = Kind::null;
  std::string text = {}; ///< of a status, an error or a bulk
  std::int64_t number = 0;
  std::vector<Reply> items = {}; ///< of a list

  bool operator==(const Reply&) const = default;
};

struct Parsed {
  Reply reply;
  std::size_t length; ///< the bytes that it took
};

/// Reads the reply at the beginning of `bytes`; nothing when it is not there as a whole yet. Throws
/// Error{data} when it is none, is nested more than `max_depth` deep, or has or announces more than
/// `max_reply_bytes`; the message is a clause about the answer.
std::optional<Parsed> parse(std::string_view bytes);

/// A command as the list of bulk strings that it is sent as.
std::string command(const std::vector<std::string>& words);

} // namespace net::resp
