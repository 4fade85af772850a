# What the tests of the gates do again and again with a FencedServer: take its lease away and give it back, hold commits behind
# their records, and wait for what its sessions wait for.
package FenceTools;

use strict;
use warnings;

use Exporter qw(import);

use FencedServer;
use RawSession;
use StolonLab;

our @EXPORT = qw(fence unfence stale impatient wait_for_event hold_commits let_go);

# The lease ends when etcd is stopped, and returns when it goes on.
sub fence { my ($server) = @_; $server->freeze_store; $server->wait_for_fence; return }
sub unfence { my ($server) = @_; $server->thaw_store; $server->wait_for_lease; return }

# The output of a query that reads without the lease.
sub stale { my ($server, $query) = @_; return $server->sql('set stolon.allow_stale_reads = on', $query) }

# A session that does not wait at gates, and whose commits hold_commits() holds.
sub impatient {
	my ($server) = @_;
	my $session = RawSession->new($server);
	$session->ask(RawSession::query('set stolon.fence_wait = 0; set synchronous_commit = on'));
	return $session;
}

# Until at least $count (1) sessions wait for it.
sub wait_for_event {
	my ($server, $event, $count) = @_;
	$count //= 1;
	StolonLab::poll_until("$count sessions wait for $event", sub {
		stale($server, "select count(*) from pg_stat_activity where wait_event = '$event'") >= $count;
	});
	return;
}

# Commits of sessions with synchronous_commit = on wait for a standby that does not exist, until let_go(). (ALTER SYSTEM is
# refused; an administrator with a shell can always edit files.)
sub hold_commits {
	my ($server) = @_;
	FencedServer::append("$server->{data}/postgresql.auto.conf", "synchronous_standby_names = 'nobody'\nsynchronous_commit = local\n");
	reload($server);
	StolonLab::poll_until('it is in force', sub { $server->sql('show synchronous_standby_names') eq 'nobody' });
	# Commits wait for it once the checkpointer has seen it, too.
	$server->sql('checkpoint');
	return;
}

sub let_go { my ($server) = @_; $server->truncate_file('postgresql.auto.conf'); reload($server); return }

sub reload { my ($server) = @_; $server->run("$server->{bin}/pg_ctl", '-D', $server->{data}, 'reload'); return }

1;
