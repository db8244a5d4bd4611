#pragma once

#include <optional>
#include <string>

struct x509_store_ctx_st; // OpenSSL's X509_STORE_CTX

namespace net {

/// Why a certificate is not accepted, in an administrator's words.
struct CertificateFault {
  std::string text; ///< a clause: "its certificate expired on 2026-01-31"
  std::string hint; ///< what to do about it; may be empty
};

/// Explains the fault that a failed verification stopped at. `host` is the name or address that was
/// asked for; without a `ca_file`, the system's authorities were trusted.
CertificateFault explain_fault(x509_store_ctx_st* store, const std::string& host,
                               const std::optional<std::string>& ca_file);

} // namespace net
