#include "net/tls_session.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"
#include "net/certificate.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <new>

namespace net {

namespace {

using cli::Error;
using cli::ExitCode;

/// The oldest error that OpenSSL has noted in this thread: the cause, not its consequences.
std::string openssl_reason() {
  const unsigned long error = ERR_peek_error();
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : fmt::format("error {:#x}", error);
}

template <typename T>
T* allocated(T* object) {
  if (object == nullptr) {
    throw std::bad_alloc();
  }
  return object;
}

void trust_file(SSL_CTX* context, const std::string& file) {
  ERR_clear_error();
  if (SSL_CTX_load_verify_file(context, file.c_str()) == 1) {
    return;
  }
  const unsigned long error = ERR_peek_error();
  if (ERR_SYSTEM_ERROR(error)) {
    throw cli::system_error(ERR_GET_REASON(error),
                            fmt::format("cannot read the CA file {}", cli::shown(file)));
  }
  throw Error(ExitCode::data,
              fmt::format("the CA file {} holds no certificates that can be read: {}",
                          cli::shown(file), openssl_reason()),
              "it has to be in PEM form, with '-----BEGIN CERTIFICATE-----'");
}

/// What the macro SSL_set_tlsext_host_name() does, without its C casts.
bool set_server_name(SSL* session, std::string name) {
  return SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data())
         == 1;
}

/// Whether the first bytes from the peer were no TLS.
bool is_other_protocol(int reason) {
  switch (reason) {
  case SSL_R_WRONG_VERSION_NUMBER:
  case SSL_R_HTTP_REQUEST:
  case SSL_R_HTTPS_PROXY_REQUEST:
  case SSL_R_PACKET_LENGTH_TOO_LONG:
  case SSL_R_ENCRYPTED_LENGTH_TOO_LONG:
  case SSL_R_RECORD_TOO_SMALL:
  case SSL_R_UNEXPECTED_MESSAGE:
  case SSL_R_UNEXPECTED_RECORD:
    return true;
  default:
    return false;
  }
}

/// Whether the peer offers only versions of TLS that are too old.
bool is_old_version(int reason) {
  return reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION || reason == SSL_R_UNSUPPORTED_PROTOCOL;
}

bool wants_client_certificate(int reason) {
  return reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED
         || reason == SSL_R_SSLV3_ALERT_NO_CERTIFICATE;
}

} // namespace

void Tls::load() {
  if (context) {
    return;
  }
  // A thread that was left behind may still be at it when the process ends.
  OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
  const std::shared_ptr<SSL_CTX> fresh(allocated(SSL_CTX_new(TLS_client_method())), &SSL_CTX_free);
  SSL_CTX_set_min_proto_version(fresh.get(), TLS1_2_VERSION);
  if (ca_file) {
    trust_file(fresh.get(), *ca_file);
  } else {
    SSL_CTX_set_default_verify_paths(fresh.get());
  }
  context = fresh;
}

void TlsSession::Free::operator()(ssl_st* session) const noexcept {
  SSL_free(session);
}

TlsSession::TlsSession(const Endpoint& peer, Tls tls)
    : peer_(peer.text()), host_(peer.host), tls_(std::move(tls)) {
  tls_.load();
  session_.reset(allocated(SSL_new(tls_.context.get())));
  // SSL_set_bio() takes both over.
  BIO* incoming = allocated(BIO_new(BIO_s_mem()));
  BIO* outgoing = BIO_new(BIO_s_mem());
  if (outgoing == nullptr) {
    BIO_free(incoming);
    throw std::bad_alloc();
  }
  SSL_set_bio(session_.get(), incoming, outgoing);
  SSL_set_connect_state(session_.get());
  verify(peer);
}

void TlsSession::verify(const Endpoint& peer) {
  SSL* session = session_.get();
  X509_VERIFY_PARAM* parameters = SSL_get0_param(session);
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  std::string host = peer.host;
  if (X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str()) != 1) {
    if (host.ends_with('.')) {
      host.pop_back(); // certificates and SNI name a host without the final dot
    }
    if (X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), host.size()) != 1
        || !set_server_name(session, host)) {
      throw Error(ExitCode::config, fmt::format("{} cannot be reached by TLS: {} is not a name "
                                                "that a certificate can have",
                                                peer_, cli::shown(host)));
    }
  }
  SSL_set_ex_data(session, 0, this);
  SSL_set_verify(session, SSL_VERIFY_PEER, &TlsSession::note_fault);
}

/// OpenSSL calls it for every certificate of the chain; a session keeps the peer's certificate only
/// when all is well, so this is the moment to say what is wrong with it.
int TlsSession::note_fault(int verified, x509_store_ctx_st* store) noexcept {
  if (verified == 1) {
    return 1;
  }
  const void* session = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  auto* self = static_cast<TlsSession*>(SSL_get_ex_data(static_cast<const SSL*>(session), 0));
  const CertificateFault fault = explain_fault(store, self->host_, self->tls_.ca_file);
  self->fault_ = fault.text;
  self->hint_ = fault.hint;
  return 0;
}

void TlsSession::put_incoming(std::string_view bytes) {
  const int written =
      BIO_write(SSL_get_rbio(session_.get()), bytes.data(), static_cast<int>(bytes.size()));
  if (written != static_cast<int>(bytes.size())) {
    throw std::bad_alloc(); // a memory BIO takes everything that there is memory for
  }
}

std::string TlsSession::take_outgoing() {
  BIO* outgoing = SSL_get_wbio(session_.get());
  std::string bytes(BIO_ctrl_pending(outgoing), '\0');
  if (!bytes.empty()) {
    BIO_read(outgoing, bytes.data(), static_cast<int>(bytes.size()));
  }
  return bytes;
}

bool TlsSession::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(session_.get());
  if (result == 1) {
    return true;
  }
  if (SSL_get_error(session_.get(), result) != SSL_ERROR_WANT_READ) {
    fail();
  }
  return false;
}

void TlsSession::encrypt(std::string_view text) {
  ERR_clear_error();
  if (!text.empty() && SSL_write(session_.get(), text.data(), static_cast<int>(text.size())) <= 0) {
    fail();
  }
}

std::optional<std::string> TlsSession::decrypt() {
  std::string text;
  std::array<char, 16'384> bytes; // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (;;) {
    ERR_clear_error();
    const int count = SSL_read(session_.get(), bytes.data(), static_cast<int>(bytes.size()));
    if (count > 0) {
      text.append(bytes.data(), static_cast<std::size_t>(count));
      continue;
    }
    switch (SSL_get_error(session_.get(), count)) {
    case SSL_ERROR_WANT_READ:
      return text;
    case SSL_ERROR_ZERO_RETURN:
      return text.empty() ? std::nullopt : std::optional(std::move(text));
    default:
      fail();
    }
  }
}

void TlsSession::fail() const {
  if (!fault_.empty()) {
    throw Error(ExitCode::config, fmt::format("{} is not trusted: {}", peer_, fault_), hint_);
  }
  const int reason = ERR_GET_REASON(ERR_peek_error());
  if (is_other_protocol(reason)) {
    throw Error(ExitCode::config, fmt::format("{} does not speak TLS", peer_),
                "its in-transit encryption may be off");
  }
  if (is_old_version(reason)) {
    throw Error(ExitCode::config, fmt::format("{} speaks no TLS 1.2 or later", peer_));
  }
  if (wants_client_certificate(reason)) {
    throw Error(ExitCode::config, fmt::format("{} wants a certificate from its clients", peer_),
                "ElastiCache never does, and Moodle has no setting for it");
  }
  throw Error(ExitCode::config, fmt::format("TLS with {} fails: {}", peer_, openssl_reason()));
}

} // namespace net
