# Goal: when the wall clock jumps by an hour, in either direction, nothing happens: no fence, no election, no client is
# disturbed; beats go on as before.
# Method: libfaketime is preloaded into every member of a lab and moves the wall clock while they run; CLOCK_MONOTONIC and
# CLOCK_BOOTTIME go on, as they do when somebody sets a machine's clock. etcd does not ask the C library for the time and
# sees no jump.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp qw(tempdir);
use StolonLab;
use Test::More;

my ($library) = glob '/usr/lib/*/faketime/libfaketime.so.1' or die "libfaketime is not installed\n";
my $folder = tempdir('stolon-clock-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $folder;

# Every process reads the file again within a second.
sub set_clock {
	my ($offset) = @_;
	open my $file, '>', "$folder/new" or die "$folder/new: $!\n";
	print $file "$offset\n";
	close $file;
	rename "$folder/new", "$folder/offset" or die "$folder/offset: $!\n";
	return;
}

set_clock('+0');
my $lab = StolonLab->new(nodes => 2, spec => { failInterval => '4s' }, environment => {
	LD_PRELOAD => $library, FAKETIME_TIMESTAMP_FILE => "$folder/offset", FAKETIME_CACHE_DURATION => 1,
	FAKETIME_DONT_FAKE_MONOTONIC => 1, FAKETIME_DISABLE_SHM => 1, NO_FAKE_STAT => 1 });
$lab->make_table;
my $master = $lab->master;
my $before = $lab->clusterdata;
my $started = $lab->sql($master, 'select pg_postmaster_start_time()');

# Seconds by which a node's wall clock is ahead of the true time.
sub ahead { my ($node) = @_; return $lab->sql($node, 'select extract(epoch from clock_timestamp())') - time }

sub beat { return JSON::PP::decode_json($lab->etcdctl('get', '-w', 'json', $lab->key("keepers/beat/$master")))->{kvs}[0] }

my @writers = ($lab->writer('proxy'), $lab->writer($master));
$_->wait_for_acks(20) for @writers;
$lab->watch_master;
my $begun_at = StolonLab::now();
for my $step ([ 3600, 'an hour ahead' ], [ 0, 'an hour back' ], [ -3600, 'another hour back' ], [ 0, 'an hour ahead again' ]) {
	my ($seconds, $what) = @$step;
	my $version = beat()->{version};
	set_clock(sprintf '%+d', $seconds);
	StolonLab::poll_until("the clock has jumped $what", sub { !grep { abs(ahead($_) - $seconds) > 60 } $lab->nodes });
	# Five of them fit into a validity; after three validities an election would have begun.
	my $unfenced = 1;
	StolonLab::poll_until('beats are put', sub {
		$unfenced &&= $lab->lab('psql', $master, '-XAtqc', 'select lease_valid and not fenced from stolon.status()') eq 't';
		beat()->{version} > $version + 15;
	});
	ok($unfenced, "the lease is held all the time when the clock jumps $what");
	my $looked_at = StolonLab::now();
	$_->wait_for_acks(20, $looked_at) for @writers;
}

is(join(' ', map { $_->{epoch} } $lab->master_changes), '', 'the naming has not changed');
is($lab->clusterdata->{epoch}, $before->{epoch}, 'no election');
is($lab->wait_until_whole, $master, 'the same master, and the standby streams');
is($lab->sql($master, 'select pg_postmaster_start_time()'), $started, 'no restart');
$lab->stop_writers;
for my $writer (@writers) {
	is(StolonLab::some(map { $_->{text} } $writer->errors($begun_at)), '', "no error ($writer->{source})");
	diag(sprintf '%s: longest pause %.2f s', $writer->{source}, $writer->outage($begun_at));
}

done_testing();
