"""examples/web-server for pyinfra."""

from io import StringIO

from pyinfra import host
from pyinfra.facts.files import File
from pyinfra.operations import apt, files, server, systemd
from pyinfra.operations.util import any_changed

EXAMPLE = host.data.example
DOMAIN = "www.example.org"
CERTS = f"/var/lib/dehydrated/certs/{DOMAIN}"

apt.packages(packages=["dehydrated", "nginx"], update=True, cache_time=3600)
files.directory(path="/srv/www", mode="755")
for page in ["index.html", "404.html", "style.css"]:
    files.put(src=f"{EXAMPLE}/files/{page}", dest=f"/srv/www/{page}", mode="644")
files.put(src=StringIO(f"{DOMAIN}\n"), dest="/etc/dehydrated/domains.txt", mode="644")
files.put(src=StringIO("CONTACT_EMAIL=webmaster@example.org\n"),
          dest="/etc/dehydrated/conf.d/contact.sh", mode="644")

nginx = []
if not host.get_fact(File, path=f"{CERTS}/fullchain.pem"):
    nginx.append(server.shell(commands=[
        f"umask 0077 && mkdir -p {CERTS} && cd {CERTS} && "
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 30 "
        f"-subj /CN={DOMAIN} -keyout privkey.pem -out fullchain.pem"]))
nginx.append(files.link(path="/etc/nginx/sites-enabled/default", present=False))
nginx.append(files.template(src=f"{EXAMPLE}/templates/site.conf.j2", vars={"domain": DOMAIN},
                            dest=f"/etc/nginx/conf.d/{DOMAIN}.conf", mode="644"))
systemd.service(service="nginx.service", running=True, enabled=True)
server.shell(commands=["nginx -t"], _if=any_changed(*nginx))
systemd.service(service="nginx.service", reloaded=True, _if=any_changed(*nginx))

rules = files.put(src="files/nftables.conf", dest="/etc/nftables.conf", mode="755")
systemd.service(service="nftables.service", running=True, enabled=True)
systemd.service(service="nftables.service", reloaded=True, _if=rules.did_change)

units = [files.put(src=f"files/{name}", dest=f"/etc/systemd/system/{name}", mode="644")
         for name in ["certificate.service", "certificate.timer"]]
units.append(files.put(src="files/reload-nginx.conf", mode="644",
                       dest="/etc/systemd/system/certificate.service.d/reload-nginx.conf"))
systemd.daemon_reload(_if=any_changed(*units))
systemd.service(service="certificate.timer", running=True, enabled=True)
