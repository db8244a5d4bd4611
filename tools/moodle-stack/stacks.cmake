# moodle-stack finds its templates relative to itself, installed or not.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/stacks DESTINATION ${CMAKE_INSTALL_DATADIR}/${PROJECT_NAME}
  FILES_MATCHING PATTERN *.yaml)
file(RELATIVE_PATH stacks_from_bin ${CMAKE_INSTALL_FULL_BINDIR}
  ${CMAKE_INSTALL_FULL_DATADIR}/${PROJECT_NAME}/stacks)
target_compile_definitions(parts-moodle-stack PRIVATE STACKS_FROM_BIN="${stacks_from_bin}")
cmake_path(ABSOLUTE_PATH stacks_from_bin BASE_DIRECTORY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} NORMALIZE
  OUTPUT_VARIABLE built_stacks)
cmake_path(GET built_stacks PARENT_PATH built_data)
file(MAKE_DIRECTORY ${built_data})
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/stacks ${built_stacks} SYMBOLIC)
