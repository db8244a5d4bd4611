# The Debian package: what is in it beside the commands, and what CPack has to know. See package.sh.

# What runs on the site's hosts, away from this source tree, and the folders of what it sources.
set(data_folder ${CMAKE_INSTALL_DATADIR}/${PROJECT_NAME})
foreach(script web-bootstrap post-install)
  # OPTIONAL would leave an empty folder behind.
  if(EXISTS ${PROJECT_SOURCE_DIR}/scripts/${script}.sh)
    install(PROGRAMS scripts/${script}.sh DESTINATION ${data_folder}/scripts)
  endif()
endforeach()
foreach(parts bootstrap post-install)
  if(EXISTS ${PROJECT_SOURCE_DIR}/scripts/${parts})
    install(DIRECTORY scripts/${parts} DESTINATION ${data_folder}/scripts)
  endif()
endforeach()
# Systems Manager documents, one file each, for whoever makes them without CloudFormation.
set(documents)
if(EXISTS ${PROJECT_SOURCE_DIR}/stacks/ssm-documents.yaml)
  set(folder ${CMAKE_BINARY_DIR}/share/${PROJECT_NAME}/documents)
  add_custom_command(OUTPUT ${folder}.complete VERBATIM
    DEPENDS moodle-stack ${PROJECT_SOURCE_DIR}/stacks/ssm-documents.yaml
      ${CMAKE_CURRENT_LIST_DIR}/documents.cmake
    COMMAND ${CMAKE_COMMAND} -DMOODLE_STACK=$<TARGET_FILE:moodle-stack> -DFOLDER=${folder}
      -P ${CMAKE_CURRENT_LIST_DIR}/documents.cmake
    COMMAND ${CMAKE_COMMAND} -E touch ${folder}.complete)
  add_custom_target(documents ALL DEPENDS ${folder}.complete)
  set(documents documents)
  install(DIRECTORY ${folder} DESTINATION ${data_folder})
endif()

# All that is installed, and none of the tests.
add_custom_target(packaged DEPENDS completions man ${documents})

set(PACKAGE_MAINTAINER "moodle-aws-toolkit maintainers <maintainers@moodle-aws-toolkit.invalid>"
  CACHE STRING "Who answers for the Debian package")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${PACKAGE_MAINTAINER})
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
# dpkg-shlibdeps finds all libraries but PHP's, whose package does not say what it holds. diff and bash
# are run as well, but every Debian has them.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS libphp8.2-embed)
# The scripts and the documents use curl and the AWS CLI, which many hosts have from elsewhere; TLS to
# caches is verified with the system's authorities.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates, curl, awscli")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "bash-completion, man-db")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "commands that configure and cache-tune Moodle on AWS")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Small commands that take a Moodle site on AWS from a deployed stack to an
installed, cached and fast one, and keep it there. They generate and check
the CloudFormation templates, repair the pending administrator's address,
set up the caches and the sessions on ElastiCache, seed EFS, size OPcache, and
say what is wrong with a site and which command mends it.

Each does one thing, says what it changed, and changes nothing when it runs
a second time; so they fit into scripts and Systems Manager documents.")
# Does to the folder that is packed what Debian wants.
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/debian.cmake)
set(CPACK_PACKAGE_SOURCE_FOLDER ${CMAKE_CURRENT_LIST_DIR})
include(CPack)
