#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <functional>
#include <string_view>

namespace aws {

/// The deepest nesting of objects and arrays that is read. No AWS CLI document comes near it.
inline constexpr std::size_t max_json_depth = 100;

/// Takes `text` apart into the JSON objects that stand in it one behind the other, and hands each
/// to `consume` with the offset of its first byte, from 0. Throws Error{data}, which names `source`
/// and the offset of the byte from which on the text is wrong: not JSON, not UTF-8, not an object,
/// cut short, nested too deeply, or with the same key twice in one object. A text without any
/// document is such an error too, because that is what a command that failed leaves in a pipe.
void for_each_json_document(std::string_view text, std::string_view source,
                            const std::function<void(const nlohmann::json&, std::size_t)>& consume);

} // namespace aws
