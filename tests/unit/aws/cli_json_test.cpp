#include "aws/cli_json.hpp"
#include "cli/error.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

aws::Inventory read(const std::string& text, aws::Unknown unknown = aws::Unknown::refuse) {
  aws::Inventory inventory;
  aws::read_cli_json(text, "in", unknown, inventory);
  return inventory;
}

std::string failure(const std::string& text) {
  try {
    read(text);
  } catch (const cli::Error& error) {
    CHECK(error.code() == cli::ExitCode::data);
    return error.message();
  }
  return "";
}

const std::string stack = R"({"StackId":"arn:1","StackName":"M","StackStatus":"CREATE_COMPLETE"})";

} // namespace

TEST_CASE("unknown documents are refused or left out") {
  CHECK(failure(R"({"Users":[],"Groups":1})") == "in: an unknown document of Groups, Users");
  CHECK(failure("{}") == "in: an unknown document, without any key");
  CHECK(failure(R"({"Stacks":[]} {"Users":[]})")
        == "in: document at byte 14: an unknown document of Users");
  const auto inventory = read(R"({"Users":[]} {"Stacks":[)" + stack + "]}", aws::Unknown::ignore);
  CHECK(inventory.stacks.size() == 1);
}

TEST_CASE("a value of the wrong type is named by its place") {
  CHECK(failure(R"({"Stacks":{}})") == "in: Stacks: an array was expected, not an object");
  CHECK(failure(R"({"Stacks":[1]})") == "in: Stacks[0]: an object was expected, not the number 1");
  CHECK(failure(R"({"Stacks":[{"StackId":7}]})")
        == "in: Stacks[0].StackId: a string was expected, not the number 7");
  CHECK(failure(R"({"Stacks":[{}]})") == "in: Stacks[0].StackId is missing");
  CHECK(failure(R"({"Stacks":[{"StackId":"a","StackName":"b","Outputs":[{"OutputKey":"c",)"
                R"("OutputValue":5}]}]})")
        == "in: Stacks[0].Outputs[0].OutputValue: a string was expected, not the number 5");
  CHECK(failure(R"({"DBClusters":[{"DBClusterIdentifier":"d","Port":"5432"}]})")
        == "in: DBClusters[0].Port: a whole number from 0 was expected, not a string");
  CHECK(failure(R"({"DBClusters":[{"DBClusterIdentifier":"d","Port":-1}]})")
        == "in: DBClusters[0].Port: a whole number from 0 was expected, not the number -1");
  CHECK(failure(R"({"AutoScalingGroups":[{"AutoScalingGroupName":"g","MinSize":1.5}]})")
        == "in: AutoScalingGroups[0].MinSize: a whole number from 0 was expected, not the number "
           "1.5");
  CHECK(
      failure(R"({"CacheClusters":[{"CacheClusterId":"c","Engine":"redis",)"
              R"("TransitEncryptionEnabled":"yes"}]})")
      == "in: CacheClusters[0].TransitEncryptionEnabled: true or false was expected, not a string");
}

TEST_CASE("a list that goes on elsewhere is refused") {
  CHECK(failure(R"({"Stacks":[],"NextToken":"x"})")
        == "in: the list is not complete: it has a NextToken");
  CHECK(failure(R"({"CacheClusters":[],"Marker":"x"})")
        == "in: the list is not complete: it has a Marker");
  CHECK(failure(R"({"FileSystems":[],"NextMarker":"x"})")
        == "in: the list is not complete: it has a NextMarker");
  // EFS repeats the marker of the request, which says nothing about what follows.
  CHECK(failure(R"({"FileSystems":[],"Marker":"x"})").empty());
}

TEST_CASE("a later description of the same thing replaces the earlier one in its place") {
  const auto inventory = read(R"({"FileSystems":[{"FileSystemId":"a","Name":"1"},)"
                              R"({"FileSystemId":"b"},{"FileSystemId":"a","Name":"2"}]})");
  REQUIRE(inventory.file_systems.size() == 2);
  CHECK(inventory.file_systems[0].name == "2");
  CHECK(inventory.file_systems[1].id == "b");
}

TEST_CASE("deleted stacks and the members of replication groups are left out") {
  CHECK(read(R"({"Stacks":[{"StackId":"a","StackName":"b","StackStatus":"DELETE_COMPLETE"}]})")
            .stacks.empty());
  CHECK(
      read(
          R"({"CacheClusters":[{"CacheClusterId":"c","Engine":"redis","ReplicationGroupId":"g"}]})")
          .caches.empty());
}

TEST_CASE("a single Redis node is its own endpoint, a memcached cluster has another") {
  const auto one = read(R"({"CacheClusters":[{"CacheClusterId":"c","Engine":"redis","CacheNodes":)"
                        R"([{"Endpoint":{"Address":"h","Port":6379}}]}]})");
  CHECK(one.caches.at(0).endpoint == "h:6379");
  CHECK_FALSE(one.caches.at(0).tls.has_value());
}

TEST_CASE("a replication group is Redis unless it says more, and has the endpoint of its mode") {
  const auto groups =
      read(R"({"ReplicationGroups":[{"ReplicationGroupId":"a","NodeGroups":[{"PrimaryEndpoint":)"
           R"({"Address":"p","Port":6379}}]},{"ReplicationGroupId":"b","Engine":"valkey",)"
           R"("ConfigurationEndpoint":{"Address":"c","Port":6380},"NodeGroups":[{},{}]},)"
           R"({"ReplicationGroupId":"creating","NodeGroups":[]}]})");
  REQUIRE(groups.caches.size() == 3);
  CHECK(groups.caches[0].engine == "redis");
  CHECK(groups.caches[0].endpoint == "p:6379");
  CHECK(groups.caches[1].engine == "valkey");
  CHECK(groups.caches[1].endpoint == "c:6380");
  CHECK(groups.caches[2].endpoint.empty());
}

TEST_CASE("only Standard storage counts") {
  const auto sizes = read(R"({"FileSystems":[{"FileSystemId":"a","SizeInBytes":{"Value":30,)"
                          R"("ValueInStandard":10,"ValueInIA":20}},)"
                          R"({"FileSystemId":"b","SizeInBytes":{"Value":30}}]})");
  CHECK(sizes.file_systems.at(0).standard_bytes == 10);
  CHECK(sizes.file_systems.at(1).standard_bytes == 30);
}
