-- A gradebook as nbgrader 0.5.4 made it (2018), the last release with another schema than today's:
-- from 0.6 on it is that of 0.9. Made on 1 December 2026 in an environment of its own (Python 3.7,
-- `pip install nbgrader==0.5.4 'sqlalchemy<1.4'`) by that release's `nbgrader.api.Gradebook`, with
-- two learners, one of whom was graded (3 by a test, 4 by hand with a comment), and written down
-- with `sqlite3.Connection.iterdump`.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);
INSERT INTO "alembic_version" VALUES('724cde206c17');
CREATE TABLE assignment (
	id VARCHAR(32) NOT NULL,
	name VARCHAR(128) NOT NULL,
	duedate DATETIME,
	PRIMARY KEY (id),
	UNIQUE (name)
);
INSERT INTO "assignment" VALUES('80f302a3d8714892a4b59b00a340d315','ps1','2018-03-31 12:00:00.000000');
CREATE TABLE comment (
	id VARCHAR(32) NOT NULL,
	notebook_id VARCHAR(32),
	cell_id VARCHAR(32),
	auto_comment TEXT,
	manual_comment TEXT,
	PRIMARY KEY (id),
	UNIQUE (cell_id, notebook_id),
	FOREIGN KEY(notebook_id) REFERENCES submitted_notebook (id),
	FOREIGN KEY(cell_id) REFERENCES solution_cell (id)
);
INSERT INTO "comment" VALUES('6afa1b71bb62496b8c1402b54695513b','341d3b9d281e480f90fb268862b01260','ce323434c64d414fbebbe1b8e254ffe0',NULL,NULL);
INSERT INTO "comment" VALUES('a843178f903643e4ab56c1beebd77ec0','341d3b9d281e480f90fb268862b01260','3f155996998a4ea69b7692870b91f502',NULL,'Well put.');
CREATE TABLE grade (
	id VARCHAR(32) NOT NULL,
	notebook_id VARCHAR(32),
	cell_id VARCHAR(32),
	auto_score FLOAT,
	manual_score FLOAT,
	extra_credit FLOAT,
	needs_manual_grade BOOLEAN NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (cell_id, notebook_id),
	FOREIGN KEY(notebook_id) REFERENCES submitted_notebook (id),
	FOREIGN KEY(cell_id) REFERENCES grade_cell (id),
	CHECK (needs_manual_grade IN (0, 1))
);
INSERT INTO "grade" VALUES('ee1928026bb140129bfd76b22b4146ce','341d3b9d281e480f90fb268862b01260','3bfd7831c28d4af684f02a24986ee4f8',3.0,NULL,NULL,1);
INSERT INTO "grade" VALUES('9450c2791bec4b4d9d37b7cacb4f32de','341d3b9d281e480f90fb268862b01260','7aa97466f49b4935b41740fe73d991cc',NULL,4.0,NULL,0);
CREATE TABLE grade_cell (
	id VARCHAR(32) NOT NULL,
	name VARCHAR(128) NOT NULL,
	max_score FLOAT NOT NULL,
	cell_type VARCHAR(8) NOT NULL,
	notebook_id VARCHAR(32),
	PRIMARY KEY (id),
	UNIQUE (name, notebook_id),
	CONSTRAINT grade_cell_type CHECK (cell_type IN ('code', 'markdown')),
	FOREIGN KEY(notebook_id) REFERENCES notebook (id)
);
INSERT INTO "grade_cell" VALUES('3bfd7831c28d4af684f02a24986ee4f8','test_root',3.0,'code','eb623c90e65c490d9be4ccb310a66d35');
INSERT INTO "grade_cell" VALUES('7aa97466f49b4935b41740fe73d991cc','essay',5.0,'markdown','eb623c90e65c490d9be4ccb310a66d35');
CREATE TABLE notebook (
	id VARCHAR(32) NOT NULL,
	name VARCHAR(128) NOT NULL,
	assignment_id VARCHAR(32),
	kernelspec VARCHAR(1024),
	PRIMARY KEY (id),
	UNIQUE (name, assignment_id),
	FOREIGN KEY(assignment_id) REFERENCES assignment (id)
);
INSERT INTO "notebook" VALUES('eb623c90e65c490d9be4ccb310a66d35','ps1','80f302a3d8714892a4b59b00a340d315',NULL);
CREATE TABLE solution_cell (
	id VARCHAR(32) NOT NULL,
	name VARCHAR(128) NOT NULL,
	notebook_id VARCHAR(32),
	PRIMARY KEY (id),
	UNIQUE (name, notebook_id),
	FOREIGN KEY(notebook_id) REFERENCES notebook (id)
);
INSERT INTO "solution_cell" VALUES('ce323434c64d414fbebbe1b8e254ffe0','root','eb623c90e65c490d9be4ccb310a66d35');
INSERT INTO "solution_cell" VALUES('3f155996998a4ea69b7692870b91f502','essay','eb623c90e65c490d9be4ccb310a66d35');
CREATE TABLE source_cell (
	id VARCHAR(32) NOT NULL,
	name VARCHAR(128) NOT NULL,
	cell_type VARCHAR(8) NOT NULL,
	locked BOOLEAN NOT NULL,
	source TEXT,
	checksum VARCHAR(128),
	notebook_id VARCHAR(32),
	PRIMARY KEY (id),
	UNIQUE (name, notebook_id),
	CONSTRAINT source_cell_type CHECK (cell_type IN ('code', 'markdown')),
	CHECK (locked IN (0, 1)),
	FOREIGN KEY(notebook_id) REFERENCES notebook (id)
);
INSERT INTO "source_cell" VALUES('84903cbc8483416ebcb50b73190418f5','test_root','code',0,'assert root(4) == 2',NULL,'eb623c90e65c490d9be4ccb310a66d35');
CREATE TABLE student (
	id VARCHAR(128) NOT NULL,
	first_name VARCHAR(128),
	last_name VARCHAR(128),
	email VARCHAR(128),
	PRIMARY KEY (id)
);
INSERT INTO "student" VALUES('amara','Amara','Okafor','amara@example.org');
INSERT INTO "student" VALUES('ben','Ben','Berg',NULL);
CREATE TABLE submitted_assignment (
	id VARCHAR(32) NOT NULL,
	assignment_id VARCHAR(32),
	student_id VARCHAR(128),
	timestamp DATETIME,
	extension DATETIME,
	PRIMARY KEY (id),
	UNIQUE (assignment_id, student_id),
	FOREIGN KEY(assignment_id) REFERENCES assignment (id),
	FOREIGN KEY(student_id) REFERENCES student (id)
);
INSERT INTO "submitted_assignment" VALUES('18eaa141fba44893b29fad2fe915d9d7','80f302a3d8714892a4b59b00a340d315','amara','2018-03-30 12:00:00.000000',NULL);
CREATE TABLE submitted_notebook (
	id VARCHAR(32) NOT NULL,
	assignment_id VARCHAR(32),
	notebook_id VARCHAR(32),
	flagged BOOLEAN,
	late_submission_penalty FLOAT,
	PRIMARY KEY (id),
	UNIQUE (notebook_id, assignment_id),
	FOREIGN KEY(assignment_id) REFERENCES submitted_assignment (id),
	FOREIGN KEY(notebook_id) REFERENCES notebook (id),
	CHECK (flagged IN (0, 1))
);
INSERT INTO "submitted_notebook" VALUES('341d3b9d281e480f90fb268862b01260','18eaa141fba44893b29fad2fe915d9d7','eb623c90e65c490d9be4ccb310a66d35',0,NULL);
COMMIT;
