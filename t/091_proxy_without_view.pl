# Goal: a proxy that loses the store for less than proxyTimeout disturbs nobody, nor does a change of sentinels. After
# proxyTimeout without a view it sends nobody anywhere: running statements are cut, clients wait, and go on when the view is
# back. With --stop-listening it refuses connections instead, so that a balancer in front of several proxies notices, and
# listens again with the view.
# Method: etcd is frozen, stopped and started; failInterval is long, so that the master itself goes on and whatever clients
# see is the proxy's doing. proxyTimeout is long beside the outages that must not be noticed, which a busy machine draws out.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET ();
use IPC::Run ();
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '40s', proxyTimeout => '15s' });
$lab->make_table;
my $master = $lab->master;
my %port = map { my $dsn = $lab->env($_); $_ => $dsn =~ /:(\d+)\// } qw(dsn ro_dsn);

sub connects { return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port{ $_[0] }, Timeout => 2) }
sub times_logged { my ($text) = @_; return scalar(() = $lab->log_text('proxy1') =~ /\Q$text\E/g) }

# ---- What must not be noticed

my $writer = $lab->writer('proxy');
$writer->wait_for_acks(20);
my $begun_at = StolonLab::now();
my ($in, $out, $err) = ("begin;\nselect 'open';\n", '', '');
my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $lab->dsn('proxy') ], '<', \$in, '>', \$out, '2>', \$err);
$session->pump until $out =~ /open/;

for my $round (1 .. 2) {
	$lab->fault('freeze-etcd');
	# Its length is what is tested, so this is no wait for a state.
	Time::HiRes::sleep(2);
	$lab->lab('heal', 'etcd');
	$writer->wait_for_acks(20, StolonLab::now());
}
$lab->fault('stop-etcd');
$lab->lab('heal', 'etcd');
$writer->wait_for_acks(20, StolonLab::now());
for my $sentinel (qw(sentinel1 sentinel2)) {
	$lab->fault('kill-sentinel', $sentinel);
	$lab->lab('start', $sentinel);
	$writer->wait_for_acks(20, StolonLab::now());
}
is(times_logged('P-01'), 0, 'the proxy has not given up its view');
is(StolonLab::some(map { $_->{text} } $writer->errors), '', 'no error of the writer');
cmp_ok($writer->outage($begun_at), '<', 2, 'it has not waited either');
$in .= "select 'still';\ncommit;\n";
$session->pump until $out =~ /still/;
is($err, '', 'an open transaction goes on');

# ---- After proxyTimeout

$in .= "select pg_sleep(1000);\n";
$session->pump_nb;
StolonLab::poll_until('a statement is running', sub { $lab->sql($master, "select 1 from pg_stat_activity where query like 'select pg_sleep(1000)%'") });
my $direct = $lab->writer($master);
$direct->wait_for_acks(20);
my $fault_at = $lab->fault('freeze-etcd');
StolonLab::poll_until('the proxy gives up', sub { times_logged('P-01') == 1 });
$session->finish;
like($err, qr/server (conn|closed)/, 'a running statement is cut');
my $seconds = (StolonLab::now() - $fault_at) / 1e6;
cmp_ok($seconds, '>', 11, '... not before proxyTimeout, counted from the last answer');
diag(sprintf 'the proxy has cut its clients %.1f s after the fault', $seconds);
my $closed_at = StolonLab::now();
ok(connects('dsn'), 'the port is open');
$direct->wait_for_acks(20, $closed_at);
pass('the master itself goes on');
my @late = grep { $_->{at} > $closed_at } $writer->acks;
is(scalar @late, 0, 'nobody gets through the proxy');
my $healed_at = StolonLab::now();
$lab->lab('heal', 'etcd');
$writer->wait_for_acks(20, $healed_at);
pass('clients go on when the view is back');
cmp_ok(scalar $writer->errors($fault_at), '<=', 1, 'the writer has waited; its statement under way may have been cut');
$lab->stop_writers;

# ---- The same with --stop-listening

$lab->lab('stop', 'proxy1');
$lab->lab('start', 'proxy1', '--', '--stop-listening' => '--log-level=info');
$writer = $lab->writer('proxy', source => 'balanced');
$writer->wait_for_acks(20);
$lab->fault('freeze-etcd');
Time::HiRes::sleep(2);
ok(connects($_), "$_: a short outage does not close the port") for qw(dsn ro_dsn);
$lab->lab('heal', 'etcd');
$writer->wait_for_acks(20, StolonLab::now());
$lab->fault('freeze-etcd');
for my $name (qw(dsn ro_dsn)) {
	StolonLab::poll_until("$name: nobody listens", sub { !connects($name) });
	pass("$name: connections are refused without a view");
}
is($lab->lab('psql', $master, '-XAtqc', 'select 1'), 1, 'the master itself answers');
$lab->lab('stop', 'proxy1');
$lab->lab('start', 'proxy1', '--', '--stop-listening' => '--log-level=info');
ok(!connects('dsn'), 'nor does one listen that has not seen a view yet');
$healed_at = StolonLab::now();
$lab->lab('heal', 'etcd');
for my $name (qw(dsn ro_dsn)) {
	StolonLab::poll_until("$name: listens again", sub { connects($name) });
	pass("$name: listens again with the view");
}
$writer->wait_for_acks(20, $healed_at);
$lab->stop_writers;
is($lab->wait_until_whole, $master, 'the same master');
done_testing();
