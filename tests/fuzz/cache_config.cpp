#include "moodle/cache_config.hpp"

#include "cli/error.hpp"
#include "fuzz.hpp"
#include "php_pieces.hpp"

#include <algorithm>

namespace {

using moodle::CacheConfig;
using moodle::CacheMode;
using php::Array;
using php::Value;

const std::string path = "/site/data/muc/config.php";

/// The names are few, so that entries meet each other.
std::string name(FuzzedDataProvider& input) {
  return input.PickValueInArray({"default_application", "default_session", "default_request",
                                 "elasticache", "one", "it's", "3", "-1", "\\", "", "a\nb",
                                 "ELASTICACHE"});
}

moodle::StorePlugin plugin(FuzzedDataProvider& input) {
  return {input.PickValueInArray({"redis", "memcached", "file"}),
          input.ConsumeIntegralInRange(0, 63), input.ConsumeIntegralInRange(0, 7)};
}

/// An entry as Moodle writes it, and now and then something else.
Value entry(FuzzedDataProvider& input, const std::string& own_name) {
  if (input.ConsumeIntegralInRange(0, 15) == 0) {
    return fuzz::php_value(input);
  }
  Array made = input.ConsumeBool() ? Array{} : fuzz::php_array(input);
  made.set("name", input.ConsumeIntegralInRange(0, 15) == 0 ? name(input) : own_name);
  made.set("plugin", plugin(input).name);
  made.set("configuration", fuzz::php_value(input));
  made.set("modes", input.ConsumeIntegralInRange(0, 7));
  made.set("default",
           input.ConsumeBool() ? Value(own_name.starts_with("default_")) : fuzz::php_value(input));
  made.set("lock", name(input));
  return made;
}

Value mapping(FuzzedDataProvider& input) {
  Array made;
  made.set("store", name(input));
  made.set("mode", input.ConsumeIntegralInRange(0, 5));
  made.set("sort", input.ConsumeIntegralInRange(-2, 2));
  return input.ConsumeIntegralInRange(0, 15) == 0 ? fuzz::php_value(input) : Value(made);
}

Array configuration(FuzzedDataProvider& input) {
  Array made;
  made.set("siteidentifier", input.ConsumeRandomLengthString(20));
  const auto entries = [&](const char* section, const auto& make) {
    Array list;
    for (int left = input.ConsumeIntegralInRange(0, 5); left > 0; --left) {
      make(list);
    }
    made.set(section, std::move(list));
  };
  const auto named = [&](Array& list) {
    const std::string own_name = name(input);
    list.set(own_name, entry(input, own_name));
  };
  entries("stores", named);
  entries("modemappings", [&](Array& list) { list.push(mapping(input)); });
  entries("definitions", named);
  entries("definitionmappings", [&](Array& list) { list.push(mapping(input)); });
  entries("locks", named);
  return made;
}

std::string file(const Array& array) {
  return std::string(moodle::cache_config_head) + fuzz::php_runtime().var_export(array)
         + std::string(moodle::cache_config_tail);
}

/// What another reader of the file sees.
Array content(const CacheConfig& config) {
  php::Run run = fuzz::php_runtime().run({.path = path,
                                          .content = config.text(fuzz::php_runtime()),
                                          .stop_at = {},
                                          .stop_marker = {},
                                          .constants = {"MOODLE_INTERNAL"},
                                          .variables = {"configuration"}});
  fuzz::require(run.end == php::Run::End::finished);
  return *run.variables.find("configuration")->array();
}

bool belongs(const Value& entry, const char* key, const std::string& store) {
  return entry.array() != nullptr && entry.array()->text(key) == store;
}

/// Everything but the store, and what is mapped to stores.
Array others(const CacheConfig& config, const std::string& store) {
  Array all = content(config);
  std::erase_if(all.find("stores")->array()->entries,
                [&](const auto& entry) { return belongs(entry.second, "name", store); });
  std::erase_if(all.find("definitionmappings")->array()->entries,
                [&](const auto& entry) { return belongs(entry.second, "store", store); });
  all.remove("modemappings");
  return all;
}

/// The file's own bytes are the same again, and so is what is read from them.
void round_trip(const CacheConfig& config) {
  const std::string text = config.text(fuzz::php_runtime());
  const CacheConfig again = CacheConfig::parse(fuzz::php_runtime(), path, text);
  fuzz::require(again == config);
  fuzz::require(again.text(fuzz::php_runtime()) == text);
}

void complete(CacheConfig config) {
  config.complete();
  round_trip(config);
  const CacheConfig once = config;
  config.complete();
  fuzz::require(config == once);
}

void set_chain(CacheConfig& config, FuzzedDataProvider& input) {
  const CacheMode mode = moodle::cache_modes[input.ConsumeIntegralInRange<std::size_t>(0, 2)];
  std::vector<std::string> stores;
  for (int left = input.ConsumeIntegralInRange(0, 3); left > 0; --left) {
    stores.push_back(name(input));
  }
  const CacheConfig before = config;
  try {
    config.set_chain(mode, stores);
  } catch (const cli::Error&) {
    fuzz::require(config == before);
    return;
  }
  for (const CacheMode each : moodle::cache_modes) {
    fuzz::require(config.chain(each) == (each == mode ? stores : before.chain(each)));
  }
  round_trip(config);
}

void set_store(CacheConfig& config, const std::string& store, FuzzedDataProvider& input) {
  const moodle::StorePlugin kind = plugin(input);
  const Array settings = fuzz::php_array(input);
  const CacheConfig before = config;
  try {
    config.set_store(store, kind, settings);
  } catch (const cli::Error&) {
    fuzz::require(config == before);
    return;
  }
  const Array* const made = config.store(store);
  fuzz::require(made != nullptr && made->text("plugin") == kind.name
                && *made->find("configuration") == Value(settings));
  round_trip(config);
  fuzz::require(others(config, store) == others(before, store));
  const CacheConfig once = config;
  config.set_store(store, kind, settings);
  fuzz::require(config == once);
}

void remove_store(CacheConfig& config, const std::string& store) {
  const CacheConfig before = config;
  const auto missing = before.missing_stores();
  const bool named = before.store(store) != nullptr
                     || std::find(missing.begin(), missing.end(), store) != missing.end();
  try {
    fuzz::require(config.remove_store(store) == named);
  } catch (const cli::Error&) {
    fuzz::require(config == before);
    return;
  }
  fuzz::require(config.store(store) == nullptr);
  round_trip(config);
  fuzz::require(others(config, store) == others(before, store));
  for (const CacheMode mode : moodle::cache_modes) {
    auto left = before.chain(mode);
    if (std::erase(left, store) == 0 || !left.empty()) {
      fuzz::require(config.chain(mode) == left);
    }
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  try {
    const std::string text = file(configuration(input));
    CacheConfig config = CacheConfig::parse(fuzz::php_runtime(), path, text);
    fuzz::require(config.text(fuzz::php_runtime()) == text);
    round_trip(config);
    complete(config);
    const std::string store = name(input);
    if (store.empty()) {
      return 0; // no command takes it
    }
    set_store(config, store, input);
    set_chain(config, input);
    for (const auto& each : config.store_names()) {
      if (const Array* const found = config.store(each)) {
        moodle::store_servers(*found);
      }
    }
    remove_store(config, store);
  } catch (const cli::Error&) {
  }
  return 0;
}
