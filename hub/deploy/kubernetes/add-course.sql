-- A course's role and database in PostgreSQL; no other course's role can connect to it (docs/admin-kubernetes.md):
--   psql --username postgres --set course=nnkit --set password=... < add-course.sql
\set ON_ERROR_STOP on
CREATE ROLE :"course" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE :"course" OWNER :"course";
REVOKE ALL ON DATABASE :"course" FROM PUBLIC;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
