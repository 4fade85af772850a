# Goal: when etcd is away for 20 s, clients first stall and then get errors, never an
# acknowledgement after the lease has ended; when etcd is back the same master goes on without a
# restart and without an election.
# Method: etcd is frozen for 20 s under clients that write through the proxy and at the master.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new;
$lab->make_table;
my $master = $lab->master;
my $before = $lab->clusterdata;
my $started = $lab->sql($master, 'select pg_postmaster_start_time()');
my ($proxy, $direct) = my @writers = ($lab->writer('proxy'), $lab->writer($master));
$_->wait_for_acks(20) for @writers;

my $fault_at = $lab->fault('freeze-etcd');
my $frozen_at = $lab->fault_done_at;
# The length of the fault is what is tested, so this is no wait for a state.
Time::HiRes::sleep(20);
my $healing_at = StolonLab::now();
$lab->lab('heal', 'etcd');
my $healed_at = StolonLab::now();
$_->wait_for_acks(50, $healed_at) for @writers;

my @late = grep { $_->{at} > $frozen_at + 5_000_000 && $_->{at} < $healing_at } $direct->acks;
is(scalar @late, 0, 'no acknowledgement after failInterval without etcd');
my @errors = grep { $_->{at} < $healing_at } $direct->errors($fault_at);
ok(scalar @errors, 'clients of the master got errors');
cmp_ok(($errors[0]{at} - $fault_at) / 1e6, '>', 5, 'after they had stalled first') if @errors;
diag("the first error: $errors[0]{text}") if @errors;

is($lab->wait_until_whole, $master, 'the same master, and every standby streams');
my $after = $lab->clusterdata;
is($after->{epoch}, $before->{epoch}, 'no election');
is($lab->sql($master, 'select pg_postmaster_start_time()'), $started, 'no restart');
$_->wait_for_acks(20, StolonLab::now()) for @writers;
$lab->stop_writers;
for my $writer (@writers) {
	my @missing = $lab->missing_rows($master, $writer);
	is("@missing", '', "no acknowledged row is missing ($writer->{source})");
	diag(sprintf '%s: outage %.2f s', $writer->{source}, $writer->outage($fault_at));
}
done_testing();
