# Run by CPack between installing into a folder and packing it: what Debian's policy wants of a package
# beyond what `cmake --install` does. The date is SOURCE_DATE_EPOCH's, when that is set.
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
set(documentation ${root}/usr/share/doc/${CPACK_PACKAGE_NAME})
set(version ${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)

file(COPY ${CPACK_PACKAGE_SOURCE_FOLDER}/copyright DESTINATION ${documentation})
file(COPY ${CPACK_PACKAGE_SOURCE_FOLDER}/lintian-overrides DESTINATION ${root}/usr/share/lintian/overrides)
file(RENAME ${root}/usr/share/lintian/overrides/lintian-overrides
  ${root}/usr/share/lintian/overrides/${CPACK_PACKAGE_NAME})
file(WRITE ${documentation}/changelog.Debian
"${CPACK_PACKAGE_NAME} (${version}) bookworm; urgency=medium

  * Release ${CPACK_PACKAGE_VERSION}.

 -- ${CPACK_DEBIAN_PACKAGE_MAINTAINER}  ${date}
")

# As dh_strip does it.
file(GLOB commands ${root}/usr/bin/*)
execute_process(COMMAND strip --remove-section=.comment --remove-section=.note ${commands}
  COMMAND_ERROR_IS_FATAL ANY)

file(GLOB pages ${root}/usr/share/man/man*/*)
execute_process(COMMAND gzip -9 -n ${documentation}/changelog.Debian ${pages}
  COMMAND_ERROR_IS_FATAL ANY)

# Two builds of one commit give the same bytes.
if(DEFINED ENV{SOURCE_DATE_EPOCH})
  execute_process(COMMAND find ${root} -exec touch --no-dereference --date=@$ENV{SOURCE_DATE_EPOCH} {} +
    COMMAND_ERROR_IS_FATAL ANY)
endif()
