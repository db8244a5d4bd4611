#include "aws/lint.hpp"
#include "cli/error.hpp"
#include "cli/input.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

namespace aws {

namespace fs = std::filesystem;
using cli::Error;
using cli::ExitCode;

namespace {

bool has_template_suffix(const fs::path& path) {
  static constexpr std::array<std::string_view, 4> suffixes = {".yaml", ".yml", ".json",
                                                               ".template"};
  return std::find(suffixes.begin(), suffixes.end(), path.extension().string()) != suffixes.end();
}

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (has_template_suffix(at->path()) && at->is_regular_file()) {
      files.push_back(at->path().string());
    }
  }
  if (error) {
    throw cli::system_error(error.value(), fmt::format("cannot read {}", cli::shown(folder)));
  }
  std::sort(files.begin(), files.end());
  return files;
}

class Reader {
public:
  TemplateSet set;

  void read_folder(const std::string& folder) {
    const std::size_t before = seen_.size();
    for (const std::string& file : files_in(folder)) {
      const cli::Input input = cli::read_input(file, Document::max_bytes);
      // A folder may hold other files as well.
      if (input.text.find("Resources") != std::string::npos && is_new(file)) {
        guarded(file, [&] {
          Document document = Document::parse(input.text, input.name);
          if (Template::is_template(document)) {
            set.templates.push_back(template_of(std::move(document), input.text, file));
          }
        });
      }
    }
    if (seen_.size() == before) {
      throw Error(ExitCode::no_input,
                  fmt::format("{} holds no CloudFormation template", cli::shown(folder)));
    }
  }

  void read_file(const std::string& file) {
    if (is_new(file)) {
      guarded(file, [&] { set.templates.push_back(Template::read(file)); });
    }
  }

  void read_nested() {
    for (std::size_t i = 0; i < set.templates.size(); ++i) {
      std::vector<std::string> nested;
      for (const Resource& resource : set.templates[i].resources) {
        nested.push_back(nested_path(set.templates[i], resource));
      }
      for (const std::string& path : nested) {
        if (!path.empty() && fs::is_regular_file(path)) {
          read_file(path);
        }
      }
    }
  }

private:
  /// Remembers bad data, so that the other files still get checked.
  template <typename Read>
  void guarded(const std::string& file, const Read& read) {
    try {
      read();
    } catch (const Error& error) {
      if (error.code() != ExitCode::data) {
        throw;
      }
      set.unreadable_paths.push_back(file);
      set.unreadable.push_back(error);
    }
  }

  bool is_new(const std::string& file) {
    return seen_.insert(fs::path(file).lexically_normal().string()).second;
  }

  std::set<std::string> seen_;
};

} // namespace

std::string nested_path(const Template& templ, const Resource& stack) {
  if (!stack.is_stack()) {
    return {};
  }
  const YamlNode* url = stack.property("TemplateURL");
  if (url == nullptr || !url->is_scalar() || url->text.find("://") != std::string::npos) {
    return {};
  }
  return (fs::path(templ.path).parent_path() / url->text).lexically_normal().string();
}

TemplateSet read_set(const std::vector<std::string>& paths) {
  Reader reader;
  for (const std::string& path : paths) {
    if (fs::is_directory(path)) {
      reader.read_folder(path);
    } else {
      reader.read_file(path);
    }
  }
  reader.read_nested();
  if (reader.set.templates.empty() && !reader.set.unreadable.empty()) {
    throw reader.set.unreadable.front();
  }
  return std::move(reader.set);
}

std::vector<Template> read_all(const std::string& folder) {
  TemplateSet set = read_set({folder});
  if (!set.unreadable.empty()) {
    throw set.unreadable.front();
  }
  return std::move(set.templates);
}

} // namespace aws
