# Goal: what stolonctl switchover does can be done in SQL on any member, now or at a time, and be
# cancelled. Whoever asks is told what has become of it, also when he asks on the very server that is
# stopped, through the proxy that waits for his transaction, or from a server whose keeper worker or
# store does not answer.
# Method: a cluster of three, with a writer through the proxy; the functions are called everywhere. A
# transaction that is kept open holds a switchover in its step "pause"; a launcher that is stopped
# holds it in its step "stop".
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IPC::Run ();
use StolonLab;
use Test::More;

my $lab = StolonLab->new;
$lab->make_table;
$lab->sql($lab->master, 'create extension if not exists stolon');
$lab->sql($lab->master, "grant usage on schema stolon to app");
my $writer = $lab->writer('proxy');
$writer->wait_for_acks(20);

# (exit code, rows, messages) of one statement on a node, as superuser.
sub ask {
	my ($node, $sql) = @_;
	my ($code, $out, $err) = $lab->lab_may_fail('psql', $node, '-XAtqd', 'app', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose', '-c', $sql);
	chomp $out;
	return ($code, $out, $err);
}

# The same through the proxy, as app.
sub ask_proxy { return StolonLab::run_command($lab->client_exec, 'psql', '-XAtq', '-d', $lab->dsn('proxy'), '-c', @_) }

sub present { return $lab->clusterdata->{switchover} // {} }

# (master, target, the other standby)
sub members {
	my $master = $lab->wait_until_whole;
	my ($target, $other) = grep { $_ ne $master } $lab->nodes;
	return ($master, $target, $other);
}

sub postmaster { return (split /\n/, $lab->sql($_[0], "select pg_read_file('postmaster.pid')"))[0] }

sub keeper_worker {
	my ($code, $out) = StolonLab::run_command('pgrep', '-P', postmaster($_[0]), '-f', 'stolon keeper worker');
	return $out =~ /^(\d+)\n$/ ? $1 : die "no keeper worker: $out\n";
}

sub wait_for_outcome {
	my ($id) = @_;
	return StolonLab::poll_until("switchover $id is over",
		sub { present()->{id} eq $id && present()->{phase} =~ /^(done|refused|undone|failed|cancelled)$/ && present()->{phase} });
}

sub wait_for_step {
	my ($step) = @_;
	return StolonLab::poll_until("step $step", sub { (present()->{phase} // '') eq $step });
}

# ---- On a standby: every step, and the outcome
my ($master, $target, $other) = members();
my ($code, $out, $err) = ask($other, "select * from stolon.switchover('$target')");
is($code, 0, 'asked for on a standby, it is done') or diag($err);
my $id = present()->{id};
like($out, qr/^$id\|done\|.*$target is the master$/, '... and the row says so');
like($err, qr/NOTICE:.*switchover $id is requested\n.*checkpoint\n.*wait\n.*vote\n.*writable\n/s, '... after each step');
is($lab->master, $target, "... $target is the master");
like($lab->sql($other, 'select id, state, over, target, reason from stolon.switchover_status()'), qr/^$id\|done\|t\|$target\|/, 'the status has it');
is($lab->sql($other, "select known_at > now() - interval '1 minute' and known_at <= now() from stolon.switchover_status()"), 't', '... and how fresh it is');

# ---- On the target itself, which goes on living
($master, $target, $other) = members();
($code, $out, $err) = ask($target, "select state from stolon.switchover(target => '$target')");
is("$code $out", '0 done', 'asked for on the target, it is done') or diag($err);

# ---- On the master, which is stopped
($master, $target, $other) = members();
($code, $out, $err) = ask($master, "begin; select * from stolon.switchover('$target')");
like($err, qr/25001: stolon\.switchover\(\) cannot run inside a transaction block on the master/, 'no block on the master: it would be waited for');
isnt(present()->{phase}, 'requested', '... nothing was asked for');
($code, $out, $err) = ask($master, "select * from stolon.switchover('$target')");
$id = present()->{id};
like($err, qr/NOTICE:.*switchover $id is requested/, 'asked for on the master, its id is told') or diag("$code $out $err");
if ($code == 0) {
	like($out, qr/^$id\|under way\|.*stolon\.switchover_status\(\)/, '... and where the outcome is to be found');
} else {
	like($err, qr/Switchover $id goes on without this session/, '... and that it goes on');
}
is(wait_for_outcome($id), 'done', '... which is "done"');

# ---- Through the proxy, which lets its clients wait
($master, $target, $other) = members();
like((ask_proxy('select * from stolon.switchover()'))[2], qr/permission denied for function switchover/, 'not everybody may');
$lab->sql($master, 'grant execute on function stolon.switchover(text, interval, timestamptz), stolon.switchover_cancel(text) to app');
($code, $out, $err) = ask_proxy("select state from stolon.switchover('$target')");
is("$code $out", "0 under way\n", 'asked for through the proxy, it does not wait for itself') or diag($err);
is(wait_for_outcome(present()->{id}), 'done', '... and is done');
($code, $out, $err) = ask_proxy('select state, target from stolon.switchover_status()');
StolonLab::poll_until('the new master knows the outcome', sub { (ask_proxy('select state from stolon.switchover_status()'))[1] eq "done\n" });
is($code, 0, '... and the next statement goes to the new master');

# ---- Refusals
($master, $target, $other) = members();
my $before = present()->{id};
($code, $out, $err) = ask($other, "select stolon.switchover('node9')");
like($err, qr/ERROR:  55000: there is no keeper node9/, 'an unknown keeper is refused');
($code, $out, $err) = ask($other, "select stolon.switchover('no such')");
like($err, qr/ERROR:  22023: .*no such/, 'what cannot be a keeper is refused');
($code, $out, $err) = ask($other, "select stolon.switchover(timeout => '1 day')");
like($err, qr/ERROR:  22023: the timeout must be from 100 ms to 1 hour/, 'a bad timeout is refused');
($code, $out, $err) = ask($other, "select stolon.switchover(at => now() - interval '1 s')");
like($err, qr/ERROR:  55000: the time .* is over/, 'a time that is over is refused');
is(present()->{id}, $before, '... nothing was asked for');
($code, $out, $err) = ask($other, "select stolon.switchover('$master')");
like($err, qr/ERROR:  55000: switchover \w+ is refused: keeper $master is the master already/, 'what the sentinel refuses is an error');
($code, $out, $err) = ask($other, 'select stolon.switchover_cancel()');
like($err, qr/ERROR:  55000: switchover \w+ is over \(refused\)/, 'what is over cannot be cancelled');

# ---- Scheduled, and cancelled
($code, $out, $err) = ask($other, "select id, state from stolon.switchover('$target', at => now() + interval '1 hour')");
$id = present()->{id};
is($out, "$id|scheduled", 'it can be scheduled') or diag($err);
like($lab->lab('stolonctl', 'status'), qr/^Switchover\s+$id, scheduled for \S+Z, to $target$/m, '... status shows it');
is($lab->sql($other, "select state, target, at > now() + interval '59 min' from stolon.switchover_status()"), "requested|$target|t", '... in SQL, too');
($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'switchover');
like($err, qr/switchover $id is there already \(scheduled for/, '... another one is refused');
($code, $out, $err) = ask($master, "select * from stolon.switchover_cancel('0000000000000000')");
like($err, qr/switchover 0{16} is not the present one, which is $id/, 'a wrong id cancels nothing');
($code, $out, $err) = ask($master, "select * from stolon.switchover_cancel('$id')");
is($out, "$id|cancelled|by an operator, before it began", 'it can be cancelled, on the master, too') or diag($err);
is(($lab->history)[-1]->{outcome}, 'cancelled', '... and the history has it');
is($lab->master, $master, '... the master is the same');

($code, my $soon) = StolonLab::run_command('date', '+%F %T', '-d', '10 seconds');
chomp $soon;
($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'switchover', '--to', $target, '--at', $soon);
is($code, 0, 'the command schedules by the local clock') or diag($err);
like($out, qr/switchover (\w+) is scheduled for /, '... says so, and does not wait');
is(wait_for_outcome(present()->{id}), 'done', '... and it is done when its time has come');
is($lab->wait_until_whole, $target, "... $target is the master");
($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'switchover', '--at', '2020-01-01 00:00');
like($err, qr/the time 2020-01-01T\S+ is over/, 'the command refuses a time that is over');
($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'switchover', '--at', 'noon');
is($code, 2, '... and what is no time');

# One that nobody could begin in time: put as it would stand there after the sentinels were away.
($master, $target, $other) = members();
my $late = $lab->clusterdata;
$late->{switchover} = { id => '00000000000000aa', to => $target, timeoutMs => 10000, phase => 'requested', at => '2026-01-01T00:00:00.000Z' };
$late->{generation}++;
$lab->etcdctl('put', $lab->key('clusterdata'), JSON::PP->new->canonical->encode($late));
is(wait_for_outcome('00000000000000aa'), 'refused', 'one whose time was missed is not done late');
like(present()->{reason}, qr/nobody could begin it then/, '... with the reason');

# ---- Held in the step "pause" by a transaction of a client
my ($in, $session_out, $session_err) = ("begin;\nselect 'open';\n", '', '');
my $session = IPC::Run::start([ $lab->client_exec, 'psql', '-XAtq', '-d', $lab->dsn('proxy') ], '<', \$in, '>', \$session_out, '2>', \$session_err);
$session->pump until $session_out =~ /open/;
($code, $out, $err) = ask($other, "set statement_timeout = '1500ms'; select stolon.switchover('$target', timeout => '40 s')");
$id = present()->{id};
like($err, qr/WARNING:.*switchover $id goes on without this session.*ERROR:  57014: canceling statement/s, 'a session that is made to leave says that it goes on');
ok(wait_for_step('pause'), '... which it does');
is(present()->{id}, $id, '... and it is this one');
like($lab->lab('stolonctl', 'switchover', '--cancel'), qr/^cancelled: by an operator, in step pause$/m, 'the command cancels it while clients wait');
$in .= "select 'still';\n";
$session->pump until $session_out =~ /still/;
is($lab->master, $master, '... and all goes on');
$writer->wait_for_acks(20, StolonLab::now());
$in .= "commit;\n";
$session->finish;

# ---- Held in the step "stop" by a launcher that does not move
my $launcher = (StolonLab::run_command('ps', '-o', 'ppid=', '-p', postmaster($master)))[1] + 0;
cmp_ok($launcher, '>', 1, 'the launcher is there');
kill 'STOP', $launcher;
my ($held_out, $held_err) = ('', '');
my $held = IPC::Run::start([ "$StolonLab::scripts/lab", '--dir', $lab->dir, 'psql', $other, '-XAtqd', 'app', '-c', "select state from stolon.switchover('$target', timeout => '20 s')" ],
	'<', \undef, '>', \$held_out, '2>', \$held_err);
wait_for_step('stop');
$id = present()->{id};
($code, $out, $err) = ask($target, 'select stolon.switchover_cancel()');
like($err, qr/too late: switchover $id is in step stop/, 'it is too late to cancel once the master is being stopped');
($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'switchover', '--cancel', $id);
like($err, qr/too late/, '... for the command, too');
$held->finish;
kill 'CONT', $launcher;
like($held_err, qr/switchover $id is undone: in step stop/, '... and its own bound has ended it');

# ---- A keeper worker that does not move
($master, $target, $other) = members();
$before = present()->{id};
my $keeper = keeper_worker($other);
kill 'STOP', $keeper;
($code, $out, $err) = ask($other, 'select stolon.switchover()');
kill 'CONT', $keeper;
like($err, qr/55000: the keeper worker of this server does not take the request.*Nothing has been asked for/s, 'a keeper worker that hangs');
$writer->wait_for_acks(20, StolonLab::now());
is(present()->{id}, $before, '... and nothing was asked for, also when it moves again');

# ---- A store that does not answer: it may have been asked for
$lab->fault('freeze-etcd');
($code, $out, $err) = ask($other, 'select stolon.switchover()');
$lab->lab('heal', 'etcd');
like($err, qr/08007: it is not known whether the request was put: the store.*It is for switchover \w{16}/s, 'a store that does not answer')
  or diag($err);
my ($asked) = $err =~ /for switchover (\w{16})/;
$lab->wait_until_whole;
StolonLab::poll_until('whatever was put is over', sub { (present()->{phase} // '') =~ /^(done|refused|undone|failed|cancelled)$/ });
diag('it was ' . (present()->{id} eq $asked ? 'put: ' . present()->{phase} : 'not put'));

$master = $lab->wait_until_whole;
$writer->wait_for_acks(20, StolonLab::now());
$lab->stop_writers;
my @missing = $lab->missing_rows($master, $writer);
is(StolonLab::some(@missing), '', 'every acknowledged row is there');
done_testing();
