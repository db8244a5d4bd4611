// The only file that sees Zend headers. Two rules hold in it: a Zend bailout is a longjmp, so no
// frame between zend_try and the engine may own anything that needs a destructor; and nothing of
// Zend's outlives the request that it was made in.

#include "php/engine.hpp"

#include "cli/text.hpp"
#include "php/message.hpp"
#include "php/runtime.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

// Zend's headers are C, and not written for our warnings.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wclobbered"
// clang-format off: php.h has to come first, and these two forget that they are C
#include <php.h>
extern "C" {
#include <ext/standard/basic_functions.h>
#include <ext/standard/php_var.h>
}
// clang-format on
#include <sapi/embed/php_embed.h>
#include <zend_exceptions.h>
#include <zend_language_parser.h>
#include <zend_language_scanner.h>
#include <zend_language_scanner_defs.h>
#include <zend_smart_str.h>

namespace php::engine {

namespace {

/// What the running script is asked for, and what it gave. Reached from engine callbacks, hence
/// global; one request runs at a time.
struct Job {
  std::string path;
  std::string content;
  std::string directory;
  std::string stop_at;
  std::string stop_marker;
  std::vector<std::string> variables;
  Run run;
  bool wants_extensions = false;
};
Job* job = nullptr;

zend_string* (*next_resolve_path)(zend_string*) = nullptr;

constexpr int deepest_value = 100;

Value from_zval(zval* source, int depth);

Array from_table(HashTable* table, int depth) {
  Array array;
  zend_ulong index = 0;
  zend_string* key = nullptr;
  zval* entry = nullptr;
  ZEND_HASH_FOREACH_KEY_VAL_IND(table, index, key, entry) {
    Key made = key == nullptr ? Key(static_cast<std::int64_t>(index))
                              : Key(std::string(ZSTR_VAL(key), ZSTR_LEN(key)));
    array.entries.emplace_back(std::move(made), from_zval(entry, depth + 1));
  }
  ZEND_HASH_FOREACH_END();
  return array;
}

Value from_zval(zval* source, int depth) {
  ZVAL_DEREF(source);
  if (depth > deepest_value) {
    return Opaque{"nested too deeply"};
  }
  switch (Z_TYPE_P(source)) {
  case IS_UNDEF:
  case IS_NULL:
    return {};
  case IS_FALSE:
    return false;
  case IS_TRUE:
    return true;
  case IS_LONG:
    return static_cast<std::int64_t>(Z_LVAL_P(source));
  case IS_DOUBLE:
    return Z_DVAL_P(source);
  case IS_STRING:
    return std::string(Z_STRVAL_P(source), Z_STRLEN_P(source));
  case IS_ARRAY:
    return from_table(Z_ARRVAL_P(source), depth);
  case IS_OBJECT: {
    if (Z_OBJCE_P(source) != zend_standard_class_def) {
      return Opaque{ZSTR_VAL(Z_OBJCE_P(source)->name)};
    }
    Array array = from_table(Z_OBJPROP_P(source), depth);
    array.class_name = "stdClass";
    return array;
  }
  default:
    return Opaque{zend_zval_type_name(source)};
  }
}

/// For var_export: what has no PHP literal that Moodle would write is null by then, see moodle/.
void to_zval(const Value& value, zval* target) {
  if (const auto* flag = std::get_if<bool>(&value.variant())) {
    ZVAL_BOOL(target, *flag);
  } else if (const auto number = value.integer()) {
    ZVAL_LONG(target, *number);
  } else if (const auto* real = std::get_if<double>(&value.variant())) {
    ZVAL_DOUBLE(target, *real);
  } else if (const auto* text = value.string()) {
    ZVAL_STRINGL(target, text->data(), text->size());
  } else if (const auto* array = value.array()) {
    array_init(target);
    for (const auto& [key, entry] : array->entries) {
      zval made;
      to_zval(entry, &made);
      if (const auto* index = std::get_if<std::int64_t>(&key)) {
        zend_hash_index_update(Z_ARRVAL_P(target), static_cast<zend_ulong>(*index), &made);
      } else {
        const std::string& name = std::get<std::string>(key);
        zend_hash_str_update(Z_ARRVAL_P(target), name.data(), name.size(), &made);
      }
    }
  } else {
    ZVAL_NULL(target);
  }
}

void capture() {
  for (const std::string& name : job->variables) {
    zval* found = zend_hash_str_find_ind(&EG(symbol_table), name.data(), name.size());
    if (found != nullptr && Z_TYPE_P(found) != IS_UNDEF) {
      job->run.variables.set(name, from_zval(found, 0));
    }
  }
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

/// See Script::stop_at.
bool stops_at(const char* name, std::size_t length) {
  if (job == nullptr || job->stop_at.empty()) {
    return false;
  }
  // PHP takes "lib//setup.php" and "lib/./setup.php" as well.
  const std::string path =
      std::filesystem::path(std::string_view(name, length)).lexically_normal().string();
  const std::string tail = "/" + job->stop_at;
  if (path == job->stop_at) {
    return true;
  }
  if (!path.ends_with(tail)) {
    return false;
  }
  const std::string root = path.substr(0, path.size() - tail.size());
  return !exists(path) || root == job->directory || exists(root + "/" + job->stop_marker);
}

void stop(const char* required) {
  job->run.end = Run::End::stopped;
  job->run.message = required;
  job->run.file = zend_get_executed_filename();
  job->run.line = static_cast<int>(zend_get_executed_lineno());
  capture();
  zend_throw_unwind_exit();
}

// require_once and include_once ask for the path first, require and include compile at once.
zend_string* resolve_path(zend_string* name) {
  if (stops_at(ZSTR_VAL(name), ZSTR_LEN(name))) {
    stop(ZSTR_VAL(name));
    return nullptr;
  }
  return next_resolve_path(name);
}

zend_op_array* compile_unless_stopped(zend_file_handle* file, int type) {
  if (file->filename != nullptr && stops_at(ZSTR_VAL(file->filename), ZSTR_LEN(file->filename))) {
    stop(ZSTR_VAL(file->filename));
    return nullptr;
  }
  return ::compile_file(file, type);
}

/// PHP quotes the source that it does not understand: a piece of a password, where that holds a
/// quote. All of it comes after the first quote; there may be more of them in it.
std::string syntax_error(const std::string& message) {
  if (!message.starts_with("syntax error")) {
    return "syntax error";
  }
  const std::size_t end = std::min(message.find_first_of("\"'"), message.find(", expecting"));
  return std::string(cli::trim(message.substr(0, end)));
}

/// The uncaught exception, without its stack trace and, but for a syntax error, without its text:
/// both may hold a password.
void report_exception() {
  zend_object* exception = EG(exception);
  zval holder;
  const auto property = [&](const char* name) {
    return zend_read_property(zend_get_exception_base(exception), exception, name,
                              std::char_traits<char>::length(name), true, &holder);
  };
  job->run.end = Run::End::failed;
  const bool syntax = instanceof_function(exception->ce, zend_ce_compile_error);
  job->run.message = syntax ? syntax_error(*from_zval(property("message"), 0).scalar_text())
                            : std::string("uncaught ") + ZSTR_VAL(exception->ce->name);
  job->run.file = *from_zval(property("file"), 0).scalar_text();
  job->run.line = static_cast<int>(from_zval(property("line"), 0).integer().value_or(0));
  job->wants_extensions |= !syntax && instanceof_function(exception->ce, zend_ce_error);
}

void report_fatal_error() {
  job->run.end = Run::End::failed;
  const auto text = [](zend_string* string) {
    return string == nullptr ? std::string() : std::string(ZSTR_VAL(string), ZSTR_LEN(string));
  };
  job->run.message = text(PG(last_error_message));
  job->run.file = text(PG(last_error_file));
  job->run.line = PG(last_error_lineno);
}

/// PHP unwinds the script in the same way after exit and after memory ran out.
void report_exit() {
  if (job->run.end == Run::End::stopped) {
    return;
  }
  if (PG(last_error_message) != nullptr && (PG(last_error_type) & E_FATAL_ERRORS) != 0) {
    report_fatal_error();
  } else {
    job->run.end = Run::End::exited;
  }
}

void execute() {
  zend_file_handle file;
  zend_stream_init_filename(&file, job->path.c_str());
  // The scanner reads up to ZEND_MMAP_AHEAD bytes past the end and wants them zero.
  file.buf = static_cast<char*>(ecalloc(1, job->content.size() + ZEND_MMAP_AHEAD));
  memcpy(file.buf, job->content.data(), job->content.size());
  file.len = job->content.size();
  file.primary_script = true;
  file.opened_path = zend_string_copy(file.filename);
  zend_hash_add_empty_element(&EG(included_files), file.filename);
  zend_op_array* code = zend_compile_file(&file, ZEND_REQUIRE);
  if (code != nullptr) {
    zval result;
    ZVAL_UNDEF(&result);
    zend_execute(code, &result);
    zval_ptr_dtor(&result);
    zend_destroy_static_vars(code);
    destroy_op_array(code);
    efree_size(code, sizeof(zend_op_array));
  }
  zend_destroy_file_handle(&file);
  if (EG(exception) == nullptr) {
    capture();
  } else if (zend_is_unwind_exit(EG(exception))) {
    report_exit();
    zend_clear_exception();
  } else {
    report_exception();
    zend_clear_exception();
  }
}

/// Ends a request without the script's shutdown functions and destructors: they are its own
/// business no longer, and could loop.
void end_request() {
  zend_try {
    php_free_shutdown_functions();
    zend_objects_store_mark_destructed(&EG(objects_store));
  }
  zend_end_try();
  php_request_shutdown(nullptr);
}

Value run_script(const Array& request) {
  Job current;
  const auto text = [&](const char* name) { return *request.find(name)->string(); };
  current.path = text("path");
  current.content = text("content");
  current.directory = current.path.substr(0, current.path.rfind('/'));
  current.stop_at = text("stop_at");
  current.stop_marker = text("stop_marker");
  for (const auto& [key, name] : request.find("variables")->array()->entries) {
    current.variables.push_back(*name.string());
  }
  [[maybe_unused]] int changed = ::chdir(current.directory.c_str());
  for (const auto& [key, name] : request.find("constants")->array()->entries) {
    zend_register_bool_constant(name.string()->data(), name.string()->size(), true, 0, 0);
  }
  job = &current;
  bool finished = false;
  zend_try {
    execute();
    finished = true;
  }
  zend_end_try();
  if (!finished && current.run.end != Run::End::stopped) {
    report_fatal_error();
  }
  job = nullptr;
  // This process outlives the command by a moment, and must not keep the site's disk busy then.
  changed = ::chdir("/");
  Array answer;
  answer.set("end", static_cast<int>(current.run.end));
  answer.set("variables", std::move(current.run.variables));
  answer.set("message", std::move(current.run.message));
  answer.set("file", std::move(current.run.file));
  answer.set("line", current.run.line);
  answer.set("wants_extensions", current.wants_extensions);
  return answer;
}

TokenKind kind_of(int type) {
  switch (type) {
  case T_OPEN_TAG:
  case T_OPEN_TAG_WITH_ECHO:
    return TokenKind::open_tag;
  case T_CLOSE_TAG:
    return TokenKind::close_tag;
  case T_INLINE_HTML:
    return TokenKind::inline_html;
  case T_INCLUDE:
  case T_INCLUDE_ONCE:
  case T_REQUIRE:
  case T_REQUIRE_ONCE:
    return TokenKind::include;
  case T_COMMENT:
  case T_DOC_COMMENT:
    return TokenKind::comment;
  case T_WHITESPACE:
    return TokenKind::whitespace;
  default:
    return TokenKind::other;
  }
}

bool is_string(int state) {
  return state == yycST_DOUBLE_QUOTES || state == yycST_BACKQUOTE || state == yycST_HEREDOC
         || state == yycST_VAR_OFFSET || state == yycST_LOOKING_FOR_VARNAME;
}

/// Whether the scanner stands in a string, or in an expression in one: it keeps the states that it
/// comes back to.
bool scans_string() {
  const auto& outer = LANG_SCNG(state_stack);
  const auto* const states = static_cast<const int*>(zend_stack_base(&outer));
  return is_string(LANG_SCNG(yy_state))
         || std::any_of(states, states + zend_stack_count(&outer), is_string);
}

void scan(const std::string& source, Array& flat) {
  zval text;
  ZVAL_STRINGL(&text, source.data(), source.size());
  zend_lex_state before;
  zend_save_lexical_state(&before);
  zend_prepare_string_for_scanning(&text, ZSTR_EMPTY_ALLOC());
  LANG_SCNG(yy_state) = yycINITIAL;
  std::int64_t index = 0;
  const auto push = [&](std::int64_t number) { flat.entries.emplace_back(index++, Value(number)); };
  const unsigned char* start = LANG_SCNG(yy_start);
  zval token;
  for (;;) {
    ZVAL_UNDEF(&token);
    if (CG(increment_lineno)) { // the line end that belongs to a closing tag
      CG(zend_lineno)++;
      CG(increment_lineno) = false;
    }
    const auto line = static_cast<std::int64_t>(CG(zend_lineno));
    const int type = lex_scan(&token, nullptr);
    if (Z_TYPE(token) != IS_UNDEF) {
      zval_ptr_dtor_nogc(&token);
    }
    if (type == END || type == T_ERROR) {
      break;
    }
    if (LANG_SCNG(yy_leng) == 0) {
      continue; // where the index of a variable in a string breaks off, PHP gives an empty token
    }
    push(static_cast<std::int64_t>(kind_of(type)));
    push(LANG_SCNG(yy_text) - start);
    push(static_cast<std::int64_t>(LANG_SCNG(yy_leng)));
    push(line);
    push(scans_string() ? 1 : 0);
    if (type == T_HALT_COMPILER) {
      break; // the rest is data
    }
  }
  zend_clear_exception();
  zend_restore_lexical_state(&before);
  zval_ptr_dtor(&text);
}

Value tokens(const Array& request) {
  Array flat;
  zend_try {
    scan(*request.find("content")->string(), flat);
  }
  zend_end_try();
  return flat;
}

Value var_export(const Array& request) {
  zval value;
  to_zval(*request.find("value"), &value);
  smart_str buffer = {nullptr, 0};
  php_var_export_ex(&value, 1, &buffer);
  smart_str_0(&buffer);
  std::string text(ZSTR_VAL(buffer.s), ZSTR_LEN(buffer.s));
  smart_str_free(&buffer);
  zval_ptr_dtor(&value);
  return text;
}

Value has_constant(const Array& request) {
  zend_string* name = zend_string_init(request.find("name")->string()->data(),
                                       request.find("name")->string()->size(), false);
  zval* found = nullptr;
  zend_try {
    found = zend_get_constant_ex(name, nullptr, ZEND_FETCH_CLASS_SILENT);
  }
  zend_end_try();
  zend_clear_exception();
  zend_string_release(name);
  return found != nullptr;
}

Value answer(const Array& request) {
  const std::string& what = *request.find("do")->string();
  if (what == "run") {
    return run_script(request);
  }
  if (what == "tokens") {
    return tokens(request);
  }
  return what == "var_export" ? var_export(request) : has_constant(request);
}

/// Functions whose answer depends on the extensions that are loaded, or on the ini files: a script
/// that calls one has to be run with those of the host. Of constants only a missing one tells, by
/// the error that it is: defined() is compiled to no call.
constexpr std::array watched{"extension_loaded", "get_loaded_extensions", "get_extension_funcs",
                             "phpversion",       "class_exists",          "interface_exists",
                             "method_exists",    "function_exists",       "is_callable",
                             "ini_get",          "ini_get_all",           "get_cfg_var"};

template <std::size_t Slot>
struct Watched {
  static inline zif_handler original = nullptr;
  static void call(INTERNAL_FUNCTION_PARAMETERS) {
    if (job != nullptr) {
      job->wants_extensions = true;
    }
    original(INTERNAL_FUNCTION_PARAM_PASSTHRU);
  }
  static void install() {
    const char* const name = watched[Slot];
    auto* function = static_cast<zend_internal_function*>(
        zend_hash_str_find_ptr(CG(function_table), name, std::char_traits<char>::length(name)));
    original = function->handler;
    function->handler = call;
  }
};

template <std::size_t... Slots>
void watch(std::index_sequence<Slots...>) {
  (Watched<Slots>::install(), ...);
}

void install_hooks() {
  // Zend's own compiler, not OPcache's: that one looks at the file instead of at our bytes.
  zend_compile_file = compile_unless_stopped;
  next_resolve_path = zend_resolve_path;
  zend_resolve_path = resolve_path;
  watch(std::make_index_sequence<watched.size()>());
}

size_t discard(const char*, size_t length) {
  return length;
}
void discard_log(const char*, int) {}

/// What php_embed_init() leaves room for: it sets ini_entries itself, and then calls this.
std::string& ini_lines() {
  static std::string lines;
  return lines;
}

int start_module(sapi_module_struct* module) {
  std::string& lines = ini_lines();
  if (!lines.empty()) {
    lines.insert(0, module->ini_entries == nullptr ? "" : module->ini_entries);
    // php_embed_init() took it from malloc().
    free(module->ini_entries); // NOLINT(*-no-malloc,*-owning-memory)
    module->ini_entries = lines.data();
  }
  return php_module_startup(module, nullptr);
}

void start(Start how) {
  // Whatever the script prints or logs goes nowhere: the command's own streams are data.
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    ::dup2(nowhere, fd);
  }
  // config.php is to be seen as a web server's PHP sees it.
  static char name[] = "fpm-fcgi";
  php_embed_module.name = name;
  php_embed_module.php_ini_ignore = how.ini_files ? 0 : 1;
  php_embed_module.php_ini_ignore_cwd = 1;
  php_embed_module.ub_write = discard;
  php_embed_module.log_message = discard_log;
  static std::string ini_file = std::move(how.ini_file); // PHP keeps the pointer
  if (!ini_file.empty()) {
    php_embed_module.php_ini_path_override = ini_file.data();
  }
  if (!how.ini_folder.empty()) {
    ::setenv("PHP_INI_SCAN_DIR", how.ini_folder.c_str(), 1);
  }
  ini_lines() = std::move(how.lines);
  php_embed_module.startup = start_module;
  if (php_embed_init(0, nullptr) != SUCCESS) {
    ::_exit(1);
  }
  install_hooks();
}

} // namespace

void serve(int socket, Start how) {
  start(std::move(how));
  for (;;) {
    const auto request = message::receive(socket, 0);
    if (!request || !message::send(socket, answer(*request->array()))) {
      ::_exit(0);
    }
    end_request();
    if (php_request_startup() != SUCCESS) {
      ::_exit(1);
    }
  }
}

} // namespace php::engine

#pragma GCC diagnostic pop
