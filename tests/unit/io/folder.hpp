#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <unistd.h>

/// A fresh folder that is removed with the object.
class Folder {
public:
  Folder() {
    std::string path = (std::filesystem::temp_directory_path() / "unit-io-XXXXXX").string();
    path_ = std::filesystem::canonical(::mkdtemp(path.data()));
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(file(name), std::ios::binary) << content;
    return file(name);
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(file(name), std::ios::binary).rdbuf();
    return text.str();
  }
  [[nodiscard]] long entries() const {
    return std::distance(std::filesystem::directory_iterator(path_), {});
  }

private:
  std::filesystem::path path_;
};
