#include "aws/site_facts.hpp"
#include "cli/error.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

using Values = std::vector<std::string>;

namespace {

const std::string root = "arn:aws:cloudformation:eu-west-1:1:stack/Moodle/uuid";

aws::Stack main_stack(std::map<std::string, std::string> outputs) {
  return {.id = root,
          .name = "Moodle",
          .root_id = root,
          .status = "CREATE_COMPLETE",
          .parameters = {},
          .outputs = std::move(outputs)};
}

aws::Cache cache(const std::string& id, const std::string& endpoint = "h.example:11211") {
  return {.id = id,
          .description = "",
          .engine = "memcached",
          .status = "available",
          .tls = false,
          .endpoint = endpoint,
          .nodes = {}};
}

aws::ScalingGroup group(const std::string& id, bool serves, const std::string& stack = "") {
  return {.id = id, .stack = stack, .least = 1, .most = 2, .serves_load_balancer = serves};
}

aws::FileSystem file_system(const std::string& id, const std::string& stack = "") {
  return {.id = id, .name = "", .stack = stack, .throughput_mode = "elastic", .standard_bytes = 1};
}

aws::LoadBalancerAddress address(const std::string& balancer, const std::string& ip) {
  return {.id = ip, .load_balancer = "app/" + balancer + "/0123", .address = ip};
}

aws::SiteFacts gather(const aws::Inventory& inventory, const aws::Choices& choices = {},
                      const cli::Facts& known = {}) {
  return aws::site_facts(inventory, choices, known);
}

/// The values of a fact; a fact that is not there reads as {"(absent)"}.
Values values(const aws::SiteFacts& site, const std::string& name) {
  for (const auto& [fact, found] : site.facts) {
    if (fact == name) {
      return found;
    }
  }
  return {"(absent)"};
}

cli::Facts known_facts(const std::vector<cli::Facts::Fact>& facts) {
  cli::Facts known;
  for (const auto& [name, value] : facts) {
    known.add(name, value);
  }
  return known;
}

std::string failure(const aws::Inventory& inventory, const aws::Choices& choices = {},
                    const cli::Facts& known = {}) {
  try {
    aws::site_facts(inventory, choices, known);
  } catch (const cli::Error& error) {
    return error.message();
  }
  return "";
}

const Values absent{"(absent)"};

} // namespace

TEST_CASE("the output of a stack becomes the fact of the same name") {
  const auto site = gather({.stacks = {main_stack({{"DbPort", "5432"},
                                                   {"AppCacheEndpoint", "a.example"},
                                                   {"AppCacheEngine", "Valkey"},
                                                   {"AppCacheTls", "True"},
                                                   {"Other", "x\n"}})}});
  CHECK(values(site, "stack-name") == Values{"Moodle"});
  CHECK(values(site, "region") == Values{"eu-west-1"});
  CHECK(values(site, "db-port") == Values{"5432"});
  CHECK(values(site, "app-cache-endpoint") == Values{"a.example:6379"});
  CHECK(values(site, "app-cache-engine") == Values{"valkey"});
  CHECK(values(site, "app-cache-tls") == Values{"true"});
  CHECK(site.facts.size() == 6);
  CHECK(site.remarks.empty());
}

TEST_CASE("a value that cannot be a fact is refused by the names of its stack and output") {
  const auto refused = [](const std::string& output, const std::string& value) {
    return failure({.stacks = {main_stack({{output, value}})}});
  };
  CHECK(
      refused("SiteUrl", "https://a\nb")
      == "stack 'Moodle', output 'SiteUrl': the value of 'site-url' holds a control character or a "
         "byte that is not UTF-8 (\\x0a at byte 9)");
  CHECK(refused("SiteUrl", std::string(70'000, 'x')).find("has 70000 bytes") != std::string::npos);
  CHECK(refused("DbPort", "70000")
        == "stack 'Moodle', output 'DbPort': '70000' is not a whole number from 1 to 65535");
  CHECK(refused("AppCacheEngine", "mongo")
        == "stack 'Moodle', output 'AppCacheEngine': 'mongo' is none of memcached, redis, valkey");
  CHECK(refused("SessionCacheTls", "yes")
        == "stack 'Moodle', output 'SessionCacheTls': 'yes' is none of true, false");
  for (const char* endpoint : {"$(x):11211", "<?php", "a:b", "a:1:2", ":1", "a:0", "a b:1"}) {
    CAPTURE(endpoint);
    CHECK(refused("AppCacheEndpoint", endpoint)
              .starts_with("stack 'Moodle', output 'AppCacheEndpoint': "));
  }
  CHECK(refused("AppCacheEndpoint", "a.example")
        == "app-cache-endpoint 'a.example' has no port, and nothing tells its engine");
}

TEST_CASE("outputs of what is switched off give no facts") {
  const auto site =
      gather({.stacks = {main_stack(
                  {{"ApplicationCacheServerEndpoint", "Not enabled"}, {"DbName", ""}})}});
  CHECK(site.facts.size() == 2);
}

TEST_CASE("the load balancer's name is not confused with CloudFront's") {
  CHECK(values(gather({.stacks = {main_stack({{"DnsName", "d1.cloudfront.net"}})}}), "alb-dns")
        == absent);
  CHECK(values(gather({.stacks = {main_stack({{"DnsName", "a-1.eu-west-1.elb.amazonaws.com"}})}}),
               "alb-dns")
        == Values{"a-1.eu-west-1.elb.amazonaws.com"});
}

TEST_CASE("a stack without known outputs is said to be one") {
  const auto site = gather({.stacks = {main_stack({})}});
  CHECK(site.remarks
        == Values{"stack 'Moodle' (CREATE_COMPLETE) has no output that facts can come from"});
}

TEST_CASE("several stacks: the one with known outputs, the chosen one, or an error") {
  aws::Stack other = main_stack({});
  other.id = other.root_id = "arn:aws:cloudformation:eu-west-1:1:stack/Billing/uuid";
  other.name = "Billing";
  aws::Inventory inventory{.stacks = {other, main_stack({{"DbName", "moodle"}})}};
  CHECK(values(gather(inventory), "stack-name") == Values{"Moodle"});
  inventory.stacks[0].outputs["DbName"] = "billing";
  CHECK(failure(inventory) == "nothing tells which stack is the site's: Billing, Moodle");
  CHECK(values(gather(inventory, {.stack_name = "Billing"}), "db-name") == Values{"billing"});
  CHECK(values(gather(inventory, {}, known_facts({{"stack-name", "Billing"}})), "db-name")
        == Values{"billing"});
  CHECK(failure(inventory, {.stack_name = "Modle"}) == "no document describes the stack 'Modle'");
}

TEST_CASE("stacks of one site that contradict each other are an error") {
  aws::Stack nested = main_stack({{"DatabaseName", "b"}});
  nested.id = "arn:aws:cloudformation:eu-west-1:1:stack/Moodle-rds-1A2B3C4D5E6F/uuid";
  nested.name = "Moodle-rds-1A2B3C4D5E6F";
  CHECK(failure({.stacks = {main_stack({{"DbName", "a"}}), nested}})
        == "the stacks disagree about db-name: 'a' in 'Moodle', 'b' in 'Moodle-rds-1A2B3C4D5E6F'");
}

TEST_CASE("addresses are those of the site's own load balancer, each once, in their order") {
  aws::Inventory inventory{
      .addresses = {address("Site-1", "10.0.2.9"), address("Site-1", "10.0.1.1"),
                    address("other", "10.9.9.9"), address("Site-1", "10.0.1.1")}};
  const Values own{"10.0.2.9", "10.0.1.1"};
  CHECK(failure(inventory) == "nothing tells which load balancer is the site's: Site-1, other");
  CHECK(values(gather(inventory, {.load_balancer = "site-1"}), "alb-ip") == own);
  CHECK(values(gather(inventory, {.load_balancer = "app/Site-1/0123"}), "alb-ip") == own);
  const auto known = known_facts({{"alb-dns", "internal-Site-1-42.eu-west-1.elb.amazonaws.com"}});
  CHECK(values(gather(inventory, {}, known), "alb-ip") == own);
  inventory.stacks = {main_stack({{"AlbDnsName", "site-1-42.eu-west-1.elb.amazonaws.com"}})};
  CHECK(values(gather(inventory), "alb-ip") == own);
  inventory.stacks = {main_stack({{"AlbDnsName", "site-2-42.eu-west-1.elb.amazonaws.com"}})};
  CHECK(failure(inventory) == "no network interface belongs to the load balancer 'site-2'");
}

TEST_CASE("a cache is known by its endpoint, else by its name, else it has to be chosen") {
  const auto of = [](const std::string& id) {
    return values(gather({.caches = {cache(id, "c.example:11211")}}), "app-cache-endpoint")
                   != absent
               ? "app"
               : "session";
  };
  for (const char* id : {"app", "moodle-app", "moodle-app-1", "MoodleApplication", "app-cache-2"}) {
    CHECK(of(id) == std::string("app"));
  }
  for (const char* id : {"session", "moodleappsession", "Moodle-Sessions-app"}) {
    CHECK(of(id) == std::string("session"));
  }
  const std::string unknown =
      "nothing tells whether a cache is the application's or the sessions': ";
  CHECK(failure({.caches = {cache("happy"), cache("moodle")}}) == unknown + "happy, moodle");
  CHECK(values(gather({.caches = {cache("happy")}}, {.app_cache = "HAPPY"}), "app-cache-engine")
        == Values{"memcached"});
  CHECK(failure({.caches = {cache("happy")}}, {.app_cache = "h"})
        == "no document describes the cache 'h'");
  CHECK(failure({.caches = {cache("happy")}}, {.app_cache = "happy", .session_cache = "happy"})
        == "cache 'happy' would be both the application's and the sessions'");
  CHECK(failure({.caches = {cache("a-app"), cache("b-app")}})
        == "nothing tells which cache is the application's: a-app, b-app");
  CHECK(values(gather({.caches = {cache("a-app", "a:1"), cache("b-app", "b:1")}}, {},
                      known_facts({{"app-cache-endpoint", "b:1"}})),
               "app-cache-endpoint")
        == Values{"b:1"});
}

TEST_CASE("the endpoint that a stack tells decides, whatever the caches are called") {
  const aws::Inventory inventory{.stacks = {main_stack({{"AppCacheEndpoint", "x.example:11211"}})},
                                 .caches = {cache("other-app", "o.example:11211"),
                                            cache("session-by-name", "X.example:11211")}};
  const auto site = gather(inventory);
  CHECK(values(site, "app-cache-endpoint") == Values{"X.example:11211"});
  CHECK(site.remarks == Values{"caches of neither the application nor the sessions: other-app"});
}

TEST_CASE(
    "the site's stack decides between caches of the same use, its name not being part of theirs") {
  aws::Stack stack = main_stack({{"DbName", "x"}});
  stack.name = "MyApp";
  stack.id = stack.root_id = "arn:aws:cloudformation:eu-west-1:1:stack/MyApp/uuid";
  const auto site =
      gather({.stacks = {stack},
              .caches = {cache("myapp-cache-1", "1:1"), cache("myappapplication", "2:1"),
                         cache("other-app", "3:1")}});
  CHECK(values(site, "app-cache-endpoint") == Values{"2:1"});
}

TEST_CASE("a thing that is still being created is worth another try") {
  aws::Cache creating = cache("app", "");
  creating.status = "creating";
  try {
    gather({.caches = {creating}});
    FAIL("no error");
  } catch (const cli::Error& error) {
    CHECK(error.code() == cli::ExitCode::try_again);
    CHECK(error.message() == "cache 'app' has no endpoint; its status is 'creating'");
  }
}

TEST_CASE("an endpoint's name tells what no output does") {
  const auto site =
      gather({.stacks = {main_stack(
                  {{"AppCacheEndpoint", "m.abc.cfg.use1.cache.amazonaws.com"},
                   {"SessionCacheEndpoint", "clustercfg.s.abc.use1.cache.amazonaws.com"}})}});
  CHECK(values(site, "app-cache-endpoint") == Values{"m.abc.cfg.use1.cache.amazonaws.com:11211"});
  CHECK(values(site, "app-cache-engine") == Values{"memcached"});
  CHECK(values(site, "app-cache-tls") == absent);
  CHECK(values(site, "session-cache-endpoint")
        == Values{"clustercfg.s.abc.use1.cache.amazonaws.com:6379"});
  CHECK(values(site, "session-cache-engine") == absent);
  CHECK(values(site, "session-cache-tls") == Values{"true"});
}

TEST_CASE("the web servers' group is the one that serves a load balancer") {
  CHECK(values(gather({.scaling_groups = {group("bastion", false), group("web", true)}}), "web-asg")
        == Values{"web"});
  const auto none = gather({.scaling_groups = {group("bastion", false)}});
  CHECK(none.facts.empty());
  CHECK(none.remarks.size() == 1);
  CHECK(failure({.scaling_groups = {group("web", true), group("api", true)}})
        == "nothing tells which auto scaling group is the site's: web, api");
  CHECK(values(gather({.scaling_groups = {group("bastion", false)}}, {.web_asg = "bastion"}),
               "web-asg-max")
        == Values{"2"});
}

TEST_CASE("the stack decides between things that are tagged with it or with one nested in it") {
  aws::Inventory inventory{
      .stacks = {main_stack({{"DbName", "x"}})},
      .file_systems = {file_system("fs-1", "Moodle-test-efs-1A2B3C4D5E6F"),
                       file_system("fs-2", "Moodle-test"),
                       file_system("fs-3", "Moodle-a-1A2B3C4D5E6F-efs-1A2B3C4D5E6F")}};
  CHECK(values(gather(inventory), "efs-id") == Values{"fs-3"});
  inventory.file_systems.pop_back();
  CHECK(failure(inventory) == "nothing tells which file system is the site's: fs-1, fs-2");
  CHECK(values(gather(inventory, {.efs_id = "fs-1"}), "efs-size-bytes") == Values{"1"});
  inventory.stacks[0].outputs["EfsId"] = "fs-9";
  CHECK(failure(inventory)
        == "the stack's file system is 'fs-9', but the documents describe: fs-1, fs-2");
}

TEST_CASE("what is said about a thing goes when it is another thing") {
  const auto known = known_facts({{"app-cache-endpoint", "old:11211"},
                                  {"app-cache-node", "n1:11211"},
                                  {"app-cache-tls", "true"},
                                  {"efs-id", "fs-1"},
                                  {"efs-size-bytes", "5"}});
  const auto site = gather({.stacks = {main_stack({{"AppCacheEndpoint", "new:11211"},
                                                   {"EfsId", "fs-1"},
                                                   {"AppCacheEngine", "memcached"}})}},
                           {}, known);
  CHECK(values(site, "app-cache-node") == Values{});
  CHECK(values(site, "app-cache-tls") == Values{});
  CHECK(values(site, "app-cache-engine") == Values{"memcached"});
  CHECK(values(site, "efs-size-bytes") == absent);
}

TEST_CASE("the order of what is described does not matter, but for addresses and nodes") {
  aws::Inventory inventory{
      .stacks = {main_stack({{"AlbDnsName", "a-1.eu-west-1.elb.amazonaws.com"}})},
      .caches = {cache("app", "1:1"), cache("session", "2:1"), cache("x", "3:1"),
                 cache("y", "4:1")},
      .file_systems = {file_system("fs-1", "Moodle"), file_system("fs-2"), file_system("fs-3")},
      .scaling_groups = {group("b", false), group("w", true), group("v", false)}};
  const auto first = gather(inventory).facts;
  std::mt19937 random(1);
  for (int i = 0; i < 50; ++i) {
    std::shuffle(inventory.caches.begin(), inventory.caches.end(), random);
    std::shuffle(inventory.file_systems.begin(), inventory.file_systems.end(), random);
    std::shuffle(inventory.scaling_groups.begin(), inventory.scaling_groups.end(), random);
    CHECK(gather(inventory).facts == first);
  }
}
