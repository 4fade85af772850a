# Goal: a server whose crash breaks a promotion off, after PostgreSQL has removed standby.signal and before the new timeline
# has begun, never goes on as a primary on its predecessor's timeline.
# Method: standby.signal of a running standby is removed, which is what the disk looks like in that moment, and one of its
# processes is killed, so that the postmaster begins recovery anew by itself. Its launcher is stopped meanwhile: it would end
# a server that seems to be promoted and is not named.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FaultPoints qw(launcher_pid);
use FencedServer;
use StolonLab;
use Test::More;

my $lab = StolonLab->new;
$lab->make_table;
my $master = $lab->master;
my ($standby) = grep { $_ ne $master } $lab->nodes;
my $before = $lab->clusterdata;
my $data = $lab->dir . "/$standby/data";
my $signal = "$data/postgres/standby.signal";
my $started = sub { $lab->sql($standby, 'select pg_postmaster_start_time()') };
my $since = $started->();

sub crash {
	my ($node) = @_;
	return kill 'KILL', $lab->sql($node, q{select pid from pg_stat_activity where backend_type = 'background writer'});
}

my $launcher = launcher_pid($lab, $standby);
kill 'STOP', $launcher;
unlink $signal or die "$signal: $!\n";
crash($standby);
StolonLab::poll_until("$standby has begun anew",
	sub { FencedServer::read_text("$data/postgres.log") =~ /all server processes terminated; reinitializing/ });
StolonLab::poll_until("$standby answers", sub { eval { $started->() } });
kill 'CONT', $launcher;
is($lab->wait_until_whole, $master, "$standby streams from $master again");
is($started->(), $since, 'the postmaster has lived on');
ok(-e $signal, 'standby.signal is back');
my $log = FencedServer::read_text("$data/postgres.log");
like($log, qr/stolon: a promotion was broken off before its timeline began/, 'and the log tells why');
unlike(substr($log, index($log, 'reinitializing')), qr/ready to accept connections$/m, 'it was no primary in between');
is($lab->clusterdata->{keepers}{$standby}{db}, $before->{keepers}{$standby}{db}, 'its data go on');

# ---- A crash like any other

crash($master);
StolonLab::poll_until("$master has begun anew",
	sub { FencedServer::read_text($lab->dir . "/$master/data/postgres.log") =~ /all server processes terminated; reinitializing/ });
is($lab->wait_until_whole, $master, 'a primary that crashes goes on as one');
unlike(FencedServer::read_text($lab->dir . "/$master/data/postgres.log"), qr/broken off/, 'nothing was put back there');
done_testing();
