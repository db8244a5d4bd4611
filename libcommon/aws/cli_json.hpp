#pragma once

#include "aws/inventory.hpp"

#include <cstddef>
#include <string_view>

namespace aws {

/// The largest input that is read, in bytes; ten thousand network interfaces are about half of it.
inline constexpr std::size_t max_input_bytes = 32U << 20U;

/// What to do with a document that is none of those that read_cli_json knows.
enum class Unknown { refuse, ignore };

/// Adds to `inventory` what the AWS CLI documents in `text` tell: the output of describe-stacks,
/// describe-network-interfaces, describe-cache-clusters, describe-replication-groups,
/// describe-serverless-caches, describe-file-systems, describe-db-clusters and
/// describe-auto-scaling-groups (names and types of their members after the AWS service models,
/// 2026). Throws Error{data}, which names `source` and the place in it.
void read_cli_json(std::string_view text, std::string_view source, Unknown unknown,
                   Inventory& inventory);

} // namespace aws
