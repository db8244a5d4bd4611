#include "net/certificate.hpp"

#include "cli/error.hpp"
#include "cli/text.hpp"

#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <array>
#include <ctime>
#include <memory>
#include <string_view>
#include <vector>

namespace net {

namespace {

constexpr std::size_t most_names_shown = 5;

std::string text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)), // bytes, by whatever name
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

/// The common name, or the whole name when there is none.
std::string common_name(const X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at >= 0) {
    return text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  }
  std::array<char, 256> line{};
  X509_NAME_oneline(name, line.data(), static_cast<int>(line.size()));
  return line.data();
}

std::string ip_text(const ASN1_OCTET_STRING* address) {
  const int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool whole = ASN1_STRING_length(address) == 4 || ASN1_STRING_length(address) == 16;
  return whole
                 && ::inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size())
                        != nullptr
             ? text.data()
             : "?";
}

/// The names and addresses that the certificate is for; its common name when it lists none.
std::vector<std::string> names_of(const X509* certificate) {
  std::vector<std::string> names;
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> listed(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  for (int i = 0; i < sk_GENERAL_NAME_num(listed.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(listed.get(), i);
    if (name->type == GEN_DNS) {
      names.push_back(text_of(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
      names.push_back(ip_text(name->d.iPAddress));
    }
  }
  if (names.empty()) {
    names.push_back(common_name(X509_get_subject_name(certificate)));
  }
  return names;
}

std::string list_names(std::vector<std::string> names) {
  const std::size_t more = names.size() > most_names_shown ? names.size() - most_names_shown : 0;
  names.resize(names.size() - more);
  const std::string text = cli::shown(cli::join(names, ", "));
  return more == 0 ? text : fmt::format("{} and {} more", text, more);
}

std::string date(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    return "a date that cannot be read";
  }
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02} UTC", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min);
}

/// "its certificate", or that of an authority further up in the chain.
std::string which(X509_STORE_CTX* store, const X509* certificate) {
  return X509_STORE_CTX_get_error_depth(store) == 0
             ? "its certificate"
             : fmt::format("the certificate of its authority '{}'",
                           cli::shown(common_name(X509_get_subject_name(certificate))));
}

CertificateFault untrusted(const X509* certificate, const std::optional<std::string>& ca_file) {
  const std::string trusting =
      ca_file ? fmt::format("the CA file {} does not hold", cli::shown(*ca_file))
              : "this host does not trust";
  return {fmt::format("its certificate comes from '{}', which {}",
                      cli::shown(common_name(X509_get_issuer_name(certificate))), trusting),
          ca_file ? "" : "name the authority's certificate with a CA file"};
}

CertificateFault self_signed(const X509* certificate, const std::optional<std::string>& ca_file) {
  CertificateFault fault = untrusted(certificate, ca_file);
  fault.text =
      fmt::format("its certificate is self-signed ('{}'), and {}",
                  cli::shown(common_name(X509_get_subject_name(certificate))),
                  ca_file ? fmt::format("the CA file {} does not hold it", cli::shown(*ca_file))
                          : "this host does not trust it");
  return fault;
}

} // namespace

CertificateFault explain_fault(x509_store_ctx_st* store, const std::string& host,
                               const std::optional<std::string>& ca_file) {
  const int error = X509_STORE_CTX_get_error(store);
  const X509* certificate = X509_STORE_CTX_get_current_cert(store);
  if (certificate == nullptr) {
    return {X509_verify_cert_error_string(error), ""};
  }
  switch (error) {
  case X509_V_ERR_CERT_HAS_EXPIRED:
    return {fmt::format("{} expired on {}", which(store, certificate),
                        date(X509_get0_notAfter(certificate))),
            "is this host's clock right?"};
  case X509_V_ERR_CERT_NOT_YET_VALID:
    return {fmt::format("{} is not valid before {}", which(store, certificate),
                        date(X509_get0_notBefore(certificate))),
            "is this host's clock right?"};
  case X509_V_ERR_HOSTNAME_MISMATCH:
  case X509_V_ERR_IP_ADDRESS_MISMATCH:
    return {fmt::format("its certificate is for {}, not for {}", list_names(names_of(certificate)),
                        cli::shown(host)),
            "name the server as its certificate does"};
  case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    return self_signed(certificate, ca_file);
  case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
  case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
  case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    return untrusted(certificate, ca_file);
  default:
    return {fmt::format("{}: {}", which(store, certificate), X509_verify_cert_error_string(error)),
            ""};
  }
}

} // namespace net
