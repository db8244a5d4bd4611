#include "cli/text.hpp"
#include "verbs.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

using cli::Error;
using cli::ExitCode;

namespace {

constexpr const char* web_min = "WebMin";
constexpr const char* web_max = "WebMax";
constexpr const char* deletion_protection = "DbDeletionProtection";

using Values = std::map<std::string, std::string>;

bool is_set(const Values& values, const std::string& name) {
  return values.count(name) > 0;
}

/// Whether the value is known and not empty.
bool is_filled(const Values& values, const std::string& name) {
  return is_set(values, name) && !values.at(name).empty();
}

/// Whether the value is known to be empty.
bool is_empty(const Values& values, const std::string& name) {
  return is_set(values, name) && values.at(name).empty();
}

[[noreturn]] void refuse(const std::string& what, const std::string& hint) {
  throw Error(ExitCode::usage, what, hint);
}

/// The parameters that switch components on and off at run time.
std::vector<std::string> switches_of(const aws::Plan& plan) {
  std::vector<std::string> names;
  for (const aws::LinkedStack& stack : plan.stacks) {
    if (!stack.component->enabled_by.empty()) {
      names.push_back(stack.component->enabled_by);
    }
  }
  return names;
}

/// Sets what the phase decides; an option that says otherwise is refused.
void impose(const aws::Plan& plan, Values& values, const std::string& name,
            const std::string& value, const std::string& reason) {
  if (plan.parameter(name) == nullptr) {
    return;
  }
  const auto [at, is_new] = values.emplace(name, value);
  if (!is_new && at->second != value) {
    refuse(fmt::format("parameter {} has to be {} in this phase", name,
                       value.empty() ? "empty" : value),
           reason);
  }
}

/// Sets what suits the phase, unless an option says otherwise.
void propose(const aws::Plan& plan, Values& values, const std::string& name,
             const std::string& value) {
  if (plan.parameter(name) != nullptr) {
    values.emplace(name, value);
  }
}

/// The installation wizard does not survive session caching, and its load would scale the group out
/// in the middle of it.
void impose_install(const aws::Plan& plan, Values& values) {
  const std::string sessions =
      "the installation wizard does not survive session caching; switch it "
      "on in the production phase";
  for (const std::string& name : switches_of(plan)) {
    impose(plan, values, name, "false", sessions);
  }
  impose(plan, values, "SessionCacheEndpoint", "", sessions);
  const std::string servers =
      "the installation has to stay on one web server; raise the numbers in "
      "the production phase";
  impose(plan, values, web_min, "1", servers);
  impose(plan, values, web_max, "1", servers);
  // There is nothing to protect yet, and a first deployment that fails could not be rolled back.
  propose(plan, values, deletion_protection, "false");
}

void impose_production(const aws::Plan& plan, Values& values) {
  for (const std::string& name : switches_of(plan)) {
    impose(plan, values, name, "true", "--without leaves the component out altogether");
  }
  propose(plan, values, deletion_protection, "true");
  if (plan.parameter(web_min) == nullptr) {
    return;
  }
  if (!is_set(values, web_min) || !is_set(values, web_max)) {
    refuse("the wanted number of web servers is missing",
           "give it with --web-asg-min and --web-asg-max");
  }
  if (cli::parse_unsigned(values.at(web_min)) > cli::parse_unsigned(values.at(web_max))) {
    refuse(fmt::format("the least number of web servers, {}, is above the most, {}",
                       values.at(web_min), values.at(web_max)),
           "");
  }
}

/// What the architecture's description warns of, as far as the values are known.
void check_combinations(const aws::Plan& plan, const Values& values) {
  const auto has = [&](std::string_view component) {
    return std::any_of(plan.stacks.begin(), plan.stacks.end(),
                       [&](const aws::LinkedStack& s) { return s.component->name == component; });
  };
  if (has("alb") && is_filled(values, "CertificateArn") && is_empty(values, "DomainName")) {
    refuse("the certificate is for a domain name, which is missing", "set DomainName");
  }
  if (has("cloudfront") && is_filled(values, "DomainName")
      && is_empty(values, "CloudFrontCertificateArn")) {
    refuse("CloudFront needs a certificate for the domain name",
           "create or import it in us-east-1, and set CloudFrontCertificateArn");
  }
  if (has("dns") && is_empty(values, "DomainName")) {
    refuse("the dns component needs a domain name", "set DomainName, or leave dns out");
  }
  if (has("web") && is_filled(values, "AdminSecretArn") && is_empty(values, "AdminEmail")) {
    refuse("to install Moodle without a browser takes the administrator's e-mail address",
           "set AdminEmail, or leave AdminSecretArn out");
  }
  if (is_filled(values, "AppCacheEndpoint") && is_set(values, "SessionCacheEndpoint")
      && values.at("AppCacheEndpoint") == values.at("SessionCacheEndpoint")) {
    refuse("application and session caches are the same server",
           "purging the application caches would log everybody out: use two");
  }
  for (const std::string cache : {"AppCache", "SessionCache"}) {
    const auto is = [&](const std::string& name, std::string_view value) {
      return is_set(values, cache + name) && values.at(cache + name) == value;
    };
    if (is("Engine", "memcached") && is("Tls", "true")) {
      refuse(fmt::format("{} is memcached with TLS, which Moodle does not speak", cache),
             fmt::format("set {}Tls=false, or choose another engine", cache));
    }
  }
}

/// A new stack needs every value; an update keeps what it had.
void add_defaults(const aws::Plan& plan, Values& values) {
  std::vector<std::string> open;
  for (const aws::Parameter& parameter : plan.parameters) {
    if (parameter.default_value) {
      values.emplace(parameter.name, *parameter.default_value);
    } else if (!is_set(values, parameter.name)) {
      open.push_back(parameter.name);
    }
  }
  if (!open.empty()) {
    refuse("no value for " + cli::join(open, ", "), "give each with --set PARAMETER=VALUE");
  }
}

std::string parameter_file(const aws::Plan& plan, const Values& values) {
  nlohmann::ordered_json file = nlohmann::ordered_json::array();
  for (const aws::Parameter& parameter : plan.parameters) {
    nlohmann::ordered_json entry = {{"ParameterKey", parameter.name}};
    if (is_set(values, parameter.name)) {
      entry["ParameterValue"] = values.at(parameter.name);
    } else {
      entry["UsePreviousValue"] = true;
    }
    file.push_back(std::move(entry));
  }
  return file.dump(2) + "\n";
}

} // namespace

void Parameters::declare(cli::Options& options) {
  options.choice("phase", phase_, {"install", "production"},
                 "before the installation wizard has finished, or after");
  options.number("web-asg-min", minimum_, 1, 100, "least number of web servers in production",
                 cli::From::facts);
  options.number("web-asg-max", maximum_, 1, 100, "most number of web servers in production",
                 cli::From::facts);
  selection_.declare(options);
}

void Parameters::validate(const cli::Options&) {
  if (phase_.empty()) {
    throw Error(ExitCode::usage, "the phase is missing", "choose --phase install or production");
  }
  selection_.validate();
}

ExitCode Parameters::run(cli::Context& context) {
  aws::Plan plan = selection_.plan();
  Values values;
  for (const auto& [name, value] : selection_.values()) {
    values[name] = value;
  }
  for (const auto& [name, number] : {std::pair(web_min, minimum_), std::pair(web_max, maximum_)}) {
    if (number && plan.parameter(name) != nullptr) {
      plan.set(name, std::to_string(*number));
      values[name] = std::to_string(*number);
    }
  }
  if (phase_ == "install") {
    impose_install(plan, values);
    add_defaults(plan, values);
  } else {
    impose_production(plan, values);
  }
  check_combinations(plan, values);
  context.print(parameter_file(plan, values));
  return ExitCode::ok;
}
