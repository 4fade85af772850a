# Goal: etcd that does not answer for 2 s, with failInterval at 5 s, is not noticed: no election, no
# error, the same server.
# Method: etcd is frozen for 2 s under clients that write through the proxy and at the master.
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
my @writers = ($lab->writer('proxy'), $lab->writer($master));
$_->wait_for_acks(20) for @writers;

my $fault_at = $lab->fault('freeze-etcd');
# The length of the fault is what is tested, so this is no wait for a state.
Time::HiRes::sleep(2);
$lab->lab('heal', 'etcd');
my $healed_at = StolonLab::now();
$_->wait_for_acks(300, $healed_at) for @writers;
# An election because of the hiccup would come within failInterval of it.
StolonLab::poll_until('10 s since the hiccup',
	sub { StolonLab::now() - $healed_at > 10_000_000 });
$_->wait_for_acks(20, StolonLab::now()) for @writers;
$lab->stop_writers;

my $after = $lab->clusterdata;
is($after->{epoch}, $before->{epoch}, 'no election');
is($lab->master, $master, 'the same master');
is($lab->sql($master, 'select pg_postmaster_start_time()'), $started, 'no restart');
for my $writer (@writers) {
	my @errors = map { $_->{text} } $writer->errors;
	is("@errors", '', "no error ($writer->{source})");
	diag(sprintf '%s: longest pause %.2f s', $writer->{source}, $writer->outage($fault_at));
}
done_testing();
