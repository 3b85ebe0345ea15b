BEGIN TRANSACTION;
CREATE TABLE job(
            id integer primary key autoincrement,
            kind text not null,
            title text not null,
            folder text not null,
            subject text not null,
            state text not null,
            attempt integer not null,
            losses integer not null default 0,
            position integer not null,
            slot text,
            host text,
            wish text,
            parent integer references job(id),
            phase text not null default '',
            step integer not null default 0,
            total_steps integer not null default 0,
            loss real,
            message text not null default '',
            queued_at real not null,
            started_at real,
            finished_at real,
            steps_started_at real,
            unique(parent, kind)
        );
INSERT INTO "job" VALUES(1,'train','rank=4','projects/cat/versions/v1/trains/rank=4','{"grid": "grid-001", "label": "rank=4", "work": 1.5}','done',1,0,1,NULL,'here',NULL,NULL,'',40,40,0.25,'',1700000000.0,1700000004.0,1700000005.0,1700000010.0);
INSERT INTO "job" VALUES(2,'train','rank=8','projects/cat/versions/v1/trains/rank=8','{"grid": "grid-001", "label": "rank=8", "work": 1.5}','running',1,0,2,'cpu','here',NULL,NULL,'starting',7,40,0.5,'',1700000001.0,1700000009.0,NULL,NULL);
INSERT INTO "job" VALUES(3,'train','rank=16','projects/cat/versions/v1/trains/rank=16','{"grid": "grid-001", "label": "rank=16", "work": 1.5}','queued',0,0,3,NULL,NULL,NULL,NULL,'',0,40,NULL,'',1700000002.0,NULL,NULL,NULL);
INSERT INTO "job" VALUES(4,'train','rank=32','projects/cat/versions/v1/trains/rank=32','{"grid": "grid-001", "label": "rank=32", "work": 1.5}','cancelled',0,0,4,NULL,NULL,NULL,NULL,'',0,40,NULL,'',1700000003.0,NULL,1700000010.0,NULL);
INSERT INTO "job" VALUES(5,'preview','previews','projects/cat/versions/v1/trains/previews','{"grid": "grid-001", "label": "previews", "work": 1.5}','failed',1,0,1,NULL,'here',NULL,1,'',0,40,NULL,'unlucky',1700000006.0,1700000007.0,1700000008.0,NULL);
INSERT INTO "job" VALUES(6,'train','rank=64 кот','projects/cat/versions/v1/trains/rank=64 кот','{"grid": "grid-001", "label": "rank=64 кот", "work": 1.5}','queued',0,0,5,NULL,NULL,NULL,NULL,'',0,40,NULL,'',1700000011.0,NULL,NULL,NULL);
CREATE TABLE meta(key text primary key, value text not null);
INSERT INTO "meta" VALUES('queue_id','0123456789abcdef0123456789abcdef');
CREATE INDEX job_order on job(state, position, id);
CREATE INDEX job_folder on job(folder);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('job',6);
COMMIT;
PRAGMA user_version=1;
