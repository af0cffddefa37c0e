import type { Client } from 'pg'

/**
 * What the database itself saw, kept beside the product's tables and by the same transactions: each claim with its
 * token, and each row that came into `finished`.
 */
export async function installAudit(client: Client): Promise<void> {
  await client.query(`
    create schema chaos;
    create table chaos.claim (
      seq bigint generated always as identity primary key,
      id bigint not null, incarnation bigint not null, token uuid not null,
      at timestamptz not null default clock_timestamp()
    );
    create table chaos.finish (
      seq bigint generated always as identity primary key,
      id bigint not null, outcome text not null, reason text, incarnation bigint
    );
    create index on chaos.finish (seq) where reason = 'server_lost';

    create function chaos.note_claims() returns trigger language plpgsql as $$
    begin
      insert into chaos.claim (id, incarnation, token) select id, incarnation, token from added;
      return null;
    end $$;
    create trigger note_claims after insert on cluster_worker.running
      referencing new table as added for each statement execute function chaos.note_claims();

    create function chaos.note_finishes() returns trigger language plpgsql as $$
    begin
      insert into chaos.finish (id, outcome, reason, incarnation)
      select id, outcome, reason, incarnation from added;
      if exists (select from added where reason = 'server_lost') then notify chaos; end if;
      return null;
    end $$;
    create trigger note_finishes after insert on cluster_worker.finished
      referencing new table as added for each statement execute function chaos.note_finishes();`)
}
