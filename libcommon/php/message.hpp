#pragma once

#include "php/value.hpp"

#include <optional>
#include <string>

/// Requests and answers between a command and its PHP process: an encoded Value after its length.
namespace php::message {

/// False when the other side is gone.
bool send(int socket, const Value& value);
/// Nothing when the other side closed the socket, or nothing whole came before `deadline_ms`
/// (milliseconds of the steady clock; 0 waits for ever).
std::optional<Value> receive(int socket, long long deadline_ms);
/// Milliseconds of the steady clock.
long long now_ms();

} // namespace php::message
