-- +goose Up

-- Tasks of one lane are begun one after the other. The lane's row is there while
-- any of them is not over, and is the lock under which they are made and end.
CREATE TABLE lane (
	name TEXT NOT NULL PRIMARY KEY
) TABLE_BY_KEY;

ALTER TABLE task ADD COLUMN lane TEXT NOT NULL DEFAULT '';
ALTER TABLE task ADD COLUMN behind BOOLEAN NOT NULL DEFAULT FALSE; -- another of its lane comes first
CREATE INDEX task_lane ON task (lane, (id + 0)) WHERE ended = 0;

-- However many wait behind others, whoever looks for what to send meets none.
DROP INDEX task_unsent;
CREATE INDEX task_unsent ON task (at, id) WHERE NOT sent AND NOT behind AND ended = 0;

-- What an execution was made for, once, where that may be told of again.
ALTER TABLE execution ADD COLUMN cause TEXT;
CREATE UNIQUE INDEX execution_cause ON execution (cause);

-- Executions of several kinds, in their order.
CREATE INDEX execution_of ON execution (owner_id, id, kind);

-- Old executions are forgotten, whoever they were for.
CREATE INDEX execution_ended ON execution (kind, ended) WHERE ended <> 0;
