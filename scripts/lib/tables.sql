-- The tables of a new Moodle that the commands read, with the column types of Moodle 4.1's
-- lib/db/install.xml.
CREATE TABLE mdl_config (
  id bigserial PRIMARY KEY,
  name varchar(255) NOT NULL DEFAULT '',
  value text NOT NULL
);
CREATE UNIQUE INDEX mdl_conf_nam_uix ON mdl_config (name);

CREATE TABLE mdl_config_plugins (
  id bigserial PRIMARY KEY,
  plugin varchar(100) NOT NULL DEFAULT 'core',
  name varchar(100) NOT NULL DEFAULT '',
  value text NOT NULL
);
CREATE UNIQUE INDEX mdl_confplug_plunam_uix ON mdl_config_plugins (plugin, name);

CREATE TABLE mdl_user (
  id bigserial PRIMARY KEY,
  auth varchar(20) NOT NULL DEFAULT 'manual',
  confirmed smallint NOT NULL DEFAULT 0,
  deleted smallint NOT NULL DEFAULT 0,
  suspended smallint NOT NULL DEFAULT 0,
  mnethostid bigint NOT NULL DEFAULT 0,
  username varchar(100) NOT NULL DEFAULT '',
  password varchar(255) NOT NULL DEFAULT '',
  firstname varchar(100) NOT NULL DEFAULT '',
  lastname varchar(100) NOT NULL DEFAULT '',
  email varchar(100) NOT NULL DEFAULT '',
  lastip varchar(45) NOT NULL DEFAULT '',
  timemodified bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX mdl_user_mneuse_uix ON mdl_user (mnethostid, username);

INSERT INTO mdl_user (username, password, confirmed, mnethostid, lastip)
VALUES ('guest', 'no password', 1, 1, ''), ('admin', 'x', 1, 1, '0.0.0.0');
INSERT INTO mdl_config (name, value)
VALUES ('siteadmins', '2'), ('rolesactive', '1'), ('version', '2022112810'),
       ('release', '4.1.10 (Build: 20240422)'), ('branch', '401');
