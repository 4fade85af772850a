# Goal: a master that cannot work says so in its beats and keeps its lease, since nobody may be there to take over; a slow one
# does not; and once another is named, it says at once that it has ended.
# Method: one Postgres, one etcd, a view written by hand; a preloaded library makes the disk stop or slow down.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use SickDisk;
use StolonLab;
use Test::More;

my $server = FencedServer->new(spec => { failInterval => '2s' }, parameters => "fsync = on\nrecovery_init_sync_method = fsync\n",
	environment => { LD_PRELOAD => SickDisk::library() });
$server->start_as_master;

sub beat { return JSON::PP::decode_json($server->get('keepers/beat/k1')) }

sub wait_for_unfit {
	my ($pattern) = @_;
	return StolonLab::poll_until("a beat says $pattern", sub { (beat()->{unfit} // '') =~ $pattern });
}

sub wait_for_fit {
	StolonLab::poll_until('the beats say nothing', sub { !beat()->{unfit} });
	return;
}

ok(!exists beat()->{unfit}, 'a healthy master says nothing');

# ---- Slow, but working

SickDisk::begin($server->{data}, 'slow.fdatasync');
$server->sql('insert into t values (1)') for 1 .. 20;
SickDisk::end($server->{data}, 'slow.fdatasync');
unlike($server->log_text, qr/is unfit/, 'a disk that takes 0.3 s for each flush is slow, and no more');

# ---- A disk that does not answer

SickDisk::begin($server->{data}, 'block.fdatasync');
my $writing = $server->begin('insert into t values (2)');
wait_for_unfit(qr/a flush of WAL has not ended for more than 2000 ms/);
is($server->status('lease_valid'), 't', 'with a flush that does not end, the lease is kept');
like($server->status('unfit'), qr/a flush of WAL/, 'and the status tells');
SickDisk::end($server->{data}, 'block.fdatasync');
is(($server->finish($writing))[0], 0, 'the commit ends when the disk works again');
wait_for_fit();
StolonLab::poll_until('the log tells both', sub { $server->log_text =~ /this master is unfit: a flush.*this master is fit again/s });
pass('the log tells both');

# ---- A keeper worker that stands still

my $keeper = $server->worker('keeper');
kill 'STOP', $keeper;
wait_for_unfit(qr/the keeper worker has stood still for more than 2000 ms/);
is($server->sql('insert into t values (3)', 'select count(*) from t where id = 3'), '1', 'clients are served all the same');
kill 'CONT', $keeper;
wait_for_fit();

# ---- A disk that fills up

$server->{spec}{minWalFreeSpace} = 1125899906842624;
$server->name_master('aaaaaaaa', undef);
wait_for_unfit(qr/less than minWalFreeSpace \(\d+ MiB\) is free where pg_wal lies/);
delete $server->{spec}{minWalFreeSpace};
$server->name_master('aaaaaaaa', undef);
wait_for_fit();

# ---- Recovery after a crash that does not end

# (When Postgres itself starts its processes again after a crash, it starts the workers last: no beats until then.)
my $master_revision = $server->revision_of('master');
$server->stop('immediate');
SickDisk::begin($server->{data}, 'block.fsync');
$server->start('-W');
wait_for_unfit(qr/recovery has not ended for more than 2000 ms/);
SickDisk::end($server->{data}, 'block.fsync');
wait_for_fit();
$server->wait_for_lease;
is($server->revision_of('master'), $master_revision, 'the same master goes on after its recovery');

# ---- Another is named while it is unfit

$keeper = $server->worker('keeper');
kill 'STOP', $keeper;
wait_for_unfit(qr/the keeper worker/);
$server->name_master('bbbbbbbb', 2);
StolonLab::poll_until('the last beat says that it has ended', sub { beat()->{yielded} });
is(beat()->{epoch}, 1, 'it is the last one of its term');
is($server->status('lease_valid'), 'f', 'the lease was given away before');
kill 'CONT', $keeper;

done_testing();
