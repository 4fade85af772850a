# Goal: a switchover that cannot be carried out in time leaves everything as it was: the same master,
# clients that go on, and an operator who is told which step it was. The command can be interrupted
# without ending the operation, and a second one is refused meanwhile.
# Method: a transaction is kept open through the proxy beyond the bound.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IPC::Run ();
use StolonLab;
use Test::More;

my $lab = StolonLab->new;
$lab->make_table;
my $master = $lab->master;
my ($target) = grep { $_ ne $master } $lab->nodes;
my $before = $lab->clusterdata;
my $writer = $lab->writer('proxy');
$writer->wait_for_acks(20);

sub switchover { return $lab->lab_may_fail('stolonctl', 'switchover', @_) }
sub present { return $lab->clusterdata->{switchover} // {} }

my ($in, $out, $err) = ("begin;\nselect 'open';\n", '', '');
my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $lab->dsn('proxy') ], '<', \$in, '>', \$out, '2>', \$err);
$session->pump until $out =~ /open/;

my $asked_at = StolonLab::now();
my ($code, $said, $complaint) = switchover('--to', $target, '--timeout', '5s');
is($code, 1, 'the switchover is not done');
like($complaint, qr/undone: in step pause: transactions are open behind/, 'and the operator is told why');
$writer->wait_for_acks(20, StolonLab::now(), 90);
cmp_ok($writer->outage($asked_at), '>', 1, 'clients have waited');
is($lab->master, $master, 'the master is the same');
my ($event) = grep { $_->{kind} eq 'switchover' } $lab->history;
is($event->{outcome}, 'undone', 'the history has the outcome');
$in .= "select 'still';\n";
$session->pump until $out =~ /still/;
pass('the open transaction goes on');

# Interrupted in the middle, it goes on.
my ($first_out, $first_err) = ('', '');
my $first = IPC::Run::start([ "$StolonLab::scripts/lab", '--dir', $lab->dir, 'stolonctl', 'switchover', '--to', $target, '--timeout', '60s' ],
	'<', \undef, '>', \$first_out, '2>', \$first_err);
StolonLab::poll_until('clients are let wait', sub { (present()->{phase} // '') eq 'pause' });
my $id = present()->{id};
($code, $said, $complaint) = switchover('--to', $target);
is($code, 1, 'a second one is refused');
like($complaint, qr/switchover $id is under way \(in step pause\)/, '... with what is under way');
like($lab->lab('stolonctl', 'status'), qr/^Switchover\s+$id, in step pause/m, 'status shows it');
$first->signal('INT');
$first->finish;
is($first->result(0), 1, 'an interrupted command ends');
like($first_err, qr/interrupted; switchover $id goes on/, '... and says that the operation goes on');
is(present()->{phase}, 'pause', '... which it does');
$in .= "commit;\n";
$session->finish;
StolonLab::poll_until('the switchover is over', sub { present()->{phase} =~ /^(done|undone|refused|failed)$/ });
is(present()->{phase}, 'done', 'it was carried out once the transaction had ended');
is($lab->wait_until_whole, $target, "$target is the master, and all is well");
$writer->wait_for_acks(20, StolonLab::now());
$lab->stop_writers;
is($lab->clusterdata->{keepers}{$master}{db}, $before->{keepers}{$master}{db}, 'the old master has its data');
my @errors = map { "$_->{kind} $_->{text}" } $writer->errors;
is(StolonLab::some(@errors), '', 'no error of the writer');
is($err, '', 'none of the session with the open transaction');
my @missing = $lab->missing_rows($target, $writer);
is(StolonLab::some(@missing), '', 'every acknowledged row is there');
done_testing();
