/// net/proof.hpp as a command, for the tests: what the commands that configure a cache do before
/// they write.

#include "cli/command.hpp"
#include "cli/input.hpp"
#include "net/proof.hpp"

namespace {

class Prove : public cli::Command {
public:
  void declare(cli::Options& options) override {
    options.positionals("memcached|redis|cluster HOST:PORT", arguments_, 2, 2);
    options.flag("tls", tls_, "speak TLS");
    options.text("ca-file", ca_file_, "FILE", "what to trust");
    options.text("password-file", password_file_, "FILE", "holds the password");
    options.text("user", access_.user, "NAME", "the user");
    options.number("database", database_, 0, 99, "the number of the database");
    options.seconds("timeout", timeout_, "how long to wait");
  }

  cli::ExitCode run(cli::Context&) override {
    if (tls_) {
      access_.tls = net::Tls{ca_file_};
    }
    if (password_file_) {
      access_.password = cli::read_password(*password_file_);
    }
    access_.database = database_.value_or(0);
    const net::Endpoint endpoint = net::parse_endpoint(arguments_[1]);
    if (arguments_[0] == "memcached") {
      net::prove_memcached(endpoint, timeout_, access_.tls);
    } else {
      net::prove_redis(endpoint, access_,
                       arguments_[0] == "cluster" ? net::RedisClientMode::cluster
                                                  : net::RedisClientMode::single,
                       timeout_);
    }
    return cli::ExitCode::ok;
  }

private:
  std::vector<std::string> arguments_;
  bool tls_ = false;
  std::optional<std::string> ca_file_;
  std::optional<std::string> password_file_;
  std::optional<std::uint64_t> database_;
  net::RedisAccess access_;
  std::chrono::milliseconds timeout_{10'000};
};

} // namespace

int main(int argc, char** argv) {
  const std::string summary = "Prove that a server keeps what it is given";
  return cli::run(
      {.name = "test-prove", .summary = summary, .verbs = {cli::verb<Prove>("", summary)}}, argc,
      argv);
}
