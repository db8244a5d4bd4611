#include "checks.hpp"
#include "cli/text.hpp"

#include <algorithm>
#include <cctype>

using cli::shown;

namespace {

constexpr const char* proxy_docs = "https://docs.moodle.org/en/Reverse_proxy_frontend";

/// The parts of "https://Host:port/path" that matter here, host in lower case.
struct Address {
  std::string scheme;
  std::string host; ///< with its port
  std::string path;
};

Address parse_address(const std::string& url) {
  Address address;
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) {
    return address;
  }
  address.scheme = url.substr(0, scheme);
  const std::size_t slash = url.find('/', scheme + 3);
  address.host = url.substr(scheme + 3, slash == std::string::npos ? slash : slash - scheme - 3);
  address.path = slash == std::string::npos ? "" : url.substr(slash);
  address.path.erase(address.path.find_last_not_of('/') + 1);
  for (std::string* const part : {&address.scheme, &address.host}) {
    std::transform(part->begin(), part->end(), part->begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  }
  return address;
}

bool is_on(const Subject& subject, const char* setting) {
  const php::Value* const value = subject.site.evaluation.cfg.find(setting);
  return value != nullptr && value->truthy();
}

Outcome address_is_one(const Subject& subject) {
  const std::string url = subject.site.text("wwwroot");
  const Address address = parse_address(url);
  std::string what;
  if (url.empty()) {
    what = "is not set";
  } else if ((address.scheme != "http" && address.scheme != "https") || address.host.empty()) {
    what = fmt::format("is '{}', which is no address of a site", shown(url));
  } else if (url.ends_with('/')) {
    what = fmt::format("is '{}', which ends with a slash", shown(url));
  } else {
    return Outcome::good();
  }
  return Outcome::found({Severity::error, "$CFG->wwwroot", what,
                         "all links are made of it: they lead nowhere, or every request is sent "
                         "elsewhere",
                         "Moodle 4.5 lib/setuplib.php, initialise_fullme", ""});
}

Outcome address_is_the_stacks(const Subject& subject) {
  if (!subject.given.site_url) {
    return Outcome::not_applicable("the facts do not say the site's address (site-url)");
  }
  const Address meant = parse_address(*subject.given.site_url);
  const Address set = parse_address(subject.site.text("wwwroot"));
  if (set.host.empty() || meant.host.empty()
      || (set.scheme == meant.scheme && set.host == meant.host && set.path == meant.path)) {
    return Outcome::good(); // one that is no address has a finding of its own
  }
  return Outcome::found(
      {Severity::error, "$CFG->wwwroot",
       fmt::format("is {}, and the stack's address is {}", shown(subject.site.text("wwwroot")),
                   shown(*subject.given.site_url)),
       "Moodle sends every request for another address to this one; has the address changed, then "
       "admin/tool/replace changes it in the database, too",
       "Moodle 4.5 lib/setuplib.php, initialise_fullme", ""});
}

Outcome tls_is_known(const Subject& subject) {
  const bool https = parse_address(subject.site.text("wwwroot")).scheme == "https";
  const bool proxy = is_on(subject, "sslproxy");
  if (proxy && !https) {
    return Outcome::found({Severity::error, "$CFG->sslproxy", "is on, and wwwroot is not https",
                           "Moodle refuses every request: it must use https then", proxy_docs, ""});
  }
  if (!subject.given.behind_load_balancer()) {
    return Outcome::not_applicable("the facts name no load balancer (alb-dns, alb-ip)");
  }
  if (https && !proxy) {
    return Outcome::found({Severity::warning, "$CFG->sslproxy",
                           "is off, and the https wwwroot is behind a load balancer",
                           "where that ends TLS and asks the web server by http, Moodle sends the "
                           "browser to the same address again and again",
                           proxy_docs, ""});
  }
  return Outcome::good();
}

Outcome host_is_passed_on(const Subject& subject) {
  if (!subject.given.behind_load_balancer()) {
    return Outcome::not_applicable("the facts name no load balancer (alb-dns, alb-ip)");
  }
  if (!is_on(subject, "reverseproxy")) {
    return Outcome::good();
  }
  return Outcome::found({Severity::warning, "$CFG->reverseproxy",
                         "is on, and load balancers pass the browser's Host on",
                         "with the site's own name in Host, Moodle says 'Reverse proxy enabled, "
                         "server cannot be accessed directly' to everybody",
                         "Moodle 4.5 lib/setuplib.php, initialise_fullme", ""});
}

} // namespace

std::vector<Check> web_checks(const SharedSubject& subject) {
  return checks_of(subject, {{"web-wwwroot", address_is_one},
                             {"web-address", address_is_the_stacks},
                             {"web-sslproxy", tls_is_known},
                             {"web-reverseproxy", host_is_passed_on}});
}
