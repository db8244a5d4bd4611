# cmake -DMOODLE_STACK=COMMAND -DFOLDER=FOLDER -P: writes every Systems Manager document into a file.
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER})
execute_process(COMMAND ${MOODLE_STACK} document OUTPUT_VARIABLE listing COMMAND_ERROR_IS_FATAL ANY)
# A line is a name, a tab, and what it is for.
string(REGEX MATCHALL "[a-z0-9-]+\t" names "${listing}")
foreach(name ${names})
  string(STRIP ${name} name)
  execute_process(COMMAND ${MOODLE_STACK} document ${name} OUTPUT_FILE ${FOLDER}/${name}.json
    COMMAND_ERROR_IS_FATAL ANY)
endforeach()
