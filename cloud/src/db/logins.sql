-- A login is the same in any case of ASCII letters.
CREATE UNIQUE INDEX user_login ON user (lower(login));
