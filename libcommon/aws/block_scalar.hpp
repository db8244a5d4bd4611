#pragma once

#include <string>

namespace aws {

/// A workaround for yaml-cpp up to 0.8 at least. It counts a tag or an anchor that starts a line,
/// or follows "- ", as an indentation, and then finds no text in a block scalar that is not deeper:
///
///   - !Sub |
///     text
///
/// Returns `text` with such block scalars moved to the right, line by line. Their values do not
/// change: YAML takes the indentation of a block scalar away.
std::string with_deep_block_scalars(const std::string& text);

} // namespace aws
